"""Documents for the tests, made from their XML."""

import io
import zipfile
from email.message import EmailMessage
from pathlib import Path
from xml.sax.saxutils import escape

from d2l.reader import DocumentText, read_document

_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_R = f'xmlns:r="{_OFFICE}"'
W = f'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" {_R}'
A = f'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" {_R}'
P = f'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" {A}'
S = f'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" {_R}'


def read(folder: Path, name: str, data: bytes | str, **options: object) -> DocumentText:
    """What the reader makes of a file of that name."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_document(str(path), **options)


def package(parts: dict[str, str | bytes]) -> bytes:
    """A ZIP file of parts, the same bytes whenever it is made."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in parts.items():
            target.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def relations(*targets: tuple[str, str]) -> str:
    """A .rels part: (kind, target), with ids r1, r2, ..."""
    entries = "".join(
        f'<Relationship Id="r{i}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(targets, start=1)
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{entries}</Relationships>'
    )


def docx(
    body: str, parts: dict[str, tuple[str, str | bytes]] | None = None, related: tuple[tuple[str, str], ...] = ()
) -> bytes:
    """A document with that XML in its body, and parts by name: (kind of relation, content).

    ``related`` are (kind, name) of parts that are not in it.
    """
    parts = parts or {}
    return package(
        {
            "[Content_Types].xml": _TYPES,
            "_rels/.rels": relations(("officeDocument", "word/document.xml")),
            "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relations(*[(kind, name) for name, (kind, _) in parts.items()], *related),
            **{f"word/{name}": content for name, (_, content) in parts.items()},
        }
    )


def paragraph(*runs: str, properties: str = "") -> str:
    """A paragraph of runs, given as text or as the XML of a run."""
    inner = "".join(run if run.startswith("<w:") else f"<w:r><w:t>{escape(run)}</w:t></w:r>" for run in runs)
    return f"<w:p><w:pPr>{properties}</w:pPr>{inner}</w:p>"


def pptx(*slides: str, hidden: tuple[int, ...] = (), parts: dict[str, tuple[str, str]] | None = None) -> bytes:
    """Slides, each the XML of its shapes; ``parts`` belong to the first slide."""
    parts = parts or {}
    numbers = range(1, len(slides) + 1)
    ids = "".join(f'<p:sldId id="{255 + i}" r:id="r{i}"/>' for i in numbers)
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": relations(("officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": f"<p:presentation {P}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(*[("slide", f"slides/slide{i}.xml") for i in numbers]),
        "ppt/slides/_rels/slide1.xml.rels": relations(*[(kind, name) for name, (kind, _) in parts.items()]),
        **{f"ppt/slides/{name}": content for name, (_, content) in parts.items()},
    }
    for i, shapes in enumerate(slides, start=1):
        show = ' show="0"' if i in hidden else ""
        tree = f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld>"
        files[f"ppt/slides/slide{i}.xml"] = f"<p:sld {P}{show}>{tree}</p:sld>"
    return package(files)


def text_body(*lines: str, properties: str = "") -> str:
    """Paragraphs of DrawingML."""
    return "".join(f"<a:p><a:pPr>{properties}</a:pPr><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in lines)


def shape(*lines: str, placeholder: str = "", properties: str = "") -> str:
    """A text box."""
    kind = f'<p:ph type="{placeholder}"/>' if placeholder else ""
    head = f'<p:nvSpPr><p:cNvPr id="2" name="x"/><p:cNvSpPr/><p:nvPr>{kind}</p:nvPr></p:nvSpPr>'
    return f"<p:sp>{head}<p:txBody>{text_body(*lines, properties=properties)}</p:txBody></p:sp>"


def xlsx(
    sheets: dict[str, str],
    *,
    formats: tuple[str, ...] = (),
    strings: tuple[str, ...] = (),
    states: dict[str, str] | None = None,
    since_1904: bool = False,
) -> bytes:
    """Sheets by name, each the XML in its worksheet; cell style n > 0 has the n-th format code."""
    states = states or {}
    numbers = range(1, len(sheets) + 1)
    entries = "".join(
        f'<sheet name="{escape(name)}" sheetId="{i}" state="{states.get(name, "visible")}" r:id="r{i}"/>'
        for i, name in zip(numbers, sheets, strict=True)
    )
    codes = "".join(
        f'<numFmt numFmtId="{163 + i}" formatCode="{escape(code, {chr(34): "&quot;"})}"/>'
        for i, code in enumerate(formats, start=1)
    )
    styles = "".join(f'<xf numFmtId="{163 + i if i else 0}"/>' for i in range(len(formats) + 1))
    items = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    targets = [("worksheet", f"worksheets/sheet{i}.xml") for i in numbers]
    dates = '<workbookPr date1904="1"/>' if since_1904 else "<workbookPr/>"
    return package(
        {
            "[Content_Types].xml": _TYPES,
            "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f"<workbook {S}>{dates}<sheets>{entries}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": relations(
                *targets, ("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml")
            ),
            "xl/styles.xml": f"<styleSheet {S}><numFmts>{codes}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>",
            "xl/sharedStrings.xml": f"<sst {S}>{items}</sst>",
            **{
                f"xl/worksheets/sheet{i}.xml": f"<worksheet {S}>{content}</worksheet>"
                for i, content in zip(numbers, sheets.values(), strict=True)
            },
        }
    )


def rows(*rows_: list[object]) -> str:
    """Cells by value: text inline, numbers, or (number, style)."""
    out = []
    for number, row in enumerate(rows_, start=1):
        cells = []
        for value in row:
            if isinstance(value, str):
                cells.append(f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>')
            else:
                number_, style = value if isinstance(value, tuple) else (value, 0)
                cells.append(f'<c s="{style}"><v>{number_!r}</v></c>')
        out.append(f'<row r="{number}">{"".join(cells)}</row>')
    return f"<sheetData>{''.join(out)}</sheetData>"


def epub(*pages: str) -> bytes:
    """A book of XHTML bodies."""
    items = "".join(
        f'<item id="p{i}" href="p{i}.xhtml" media-type="application/xhtml+xml"/>' for i in range(len(pages))
    )
    spine = "".join(f'<itemref idref="p{i}"/>' for i in range(len(pages)))
    root = '<rootfile full-path="book/content.opf"/>'
    head = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head>'
    return package(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": f"<container><rootfiles>{root}</rootfiles></container>",
            "book/content.opf": f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>",
            **{f"book/p{i}.xhtml": f"{head}<body>{page}</body></html>" for i, page in enumerate(pages)},
        }
    )


def mail(text: str | None = "Dear Bob", html: str | None = None, **attachments: bytes) -> bytes:
    """A message; attachments by file name, ``__`` for the dot."""
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "The bridge", "ann@example.com", "bob@example.com"
    if text is not None:
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    for name, data in attachments.items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name.replace("__", "."))
    return message.as_bytes()


def pdf(*pages: list[tuple[float, float, str]], font: str | None = None) -> bytes:
    """Pages of texts at places in mm; an empty page is blank."""
    from fpdf import FPDF

    document = FPDF()
    if font:
        document.add_font("font", "", font)
    document.set_font("font" if font else "helvetica", size=12)
    for page in pages:
        document.add_page()
        for x, y, text in page:
            document.text(x, y, text)
    return bytes(document.output())

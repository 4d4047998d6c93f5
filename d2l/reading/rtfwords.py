"""What the words of RTF stand for (Rich Text Format specification 1.9.1)."""

CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
SYMBOL = 2
CHARACTERS = {
    "tab": "\t", "line": "\n", "lbr": "\n", "emdash": "—", "endash": "–", "emspace": " ", "enspace": " ",
    "qmspace": " ", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "msup": "^",
    "msub": "_", "mden": "/",
}  # fmt: skip
MARKS = {"~": " ", "_": "-", "\\": "\\", "{": "{", "}": "}", "\t": "\t"}
ENDS = frozenset(("par", "sect", "page", "column", "\r", "\n"))
SKIPPED = frozenset(
    "colortbl stylesheet info fldinst shprslt nonshppict nonesttables sp mmathPict pgdsctbl revtbl filetbl listtable "
    "listoverridetable rsidtbl xmlnstbl themedata colorschememapping datastore latentstyles objdata objclass "
    "ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn bkmkstart bkmkend xe tc nextfile template".split()
)
# What stands behind \* , which asks programs to skip what they do not know, and is shown.
KNOWN = frozenset(("shpinst", "shppict", "ud", "moMath", "moMathPara", "nesttableprops"))
AROUND = {**dict.fromkeys(("header", "headerl", "headerr", "headerf"), "header")}
AROUND |= dict.fromkeys(("footer", "footerl", "footerr", "footerf"), "footer")
NOT_TEXT = {"pict": "picture", "object": "object", "annotation": "comment"}

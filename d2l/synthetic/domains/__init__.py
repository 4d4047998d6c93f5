"""Every domain. The tuple's order is part of what a seed means: add new domains at the end."""

from __future__ import annotations

from d2l.synthetic.domains import business, goods, objects, people, records, work
from d2l.synthetic.schemas import Domain

_BY_KEY = {
    domain.key: domain for module in (business, goods, objects, people, records, work) for domain in module.DOMAINS
}
_ORDER = """
    retail regional groceries pricelist companies stores profiles projects contacts
    staff workshops manuals history travel zoo laboratory"""
DOMAINS: tuple[Domain, ...] = tuple(_BY_KEY[key] for key in _ORDER.split())

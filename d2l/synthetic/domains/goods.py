"""Goods: price lists, groceries, prices by region."""

from __future__ import annotations

from d2l.synthetic import values as v
from d2l.synthetic.domains.business import CHIEF, EMPLOYEES, FOUNDED, HEADQUARTERS, PHONE
from d2l.synthetic.schemas import Domain, attribute, link
from d2l.synthetic.words import phrases

PRICE = attribute(
    "price",
    v.price,
    "price; retail price || shelf price; list price",
    """
        {e} costs {v}; {e} sells for {v}; {e} is priced at {v}; customers pay {v} for {e}; at {v}, {e} stays in the
        range
        || {e} goes for {v}; buyers are charged {v} for {e}; you can have {e} for {v}""",
    """
        How much does {e} cost?; What do customers pay for {e}?; How much is {e}?; What does {e} sell for?
        || What would I be charged for {e}?; How many dollars does {e} go for?""",
)
STOCK = attribute(
    "stock",
    v.quantity(12, 980, "units"),
    "stock; stock level || inventory; count on hand",
    """
        there are {v} of {e} in stock; we hold {v} of {e}; the warehouse has {v} of {e} left; {v} of {e} remain
        || the count for {e} came to {v}; {v} of {e} are on hand""",
    """
        How many units of {e} are in stock?; How much of {e} is left?; What is left of {e} in the warehouse?
        || What was counted for {e}?; How many of {e} are on hand?""",
)
SHELF_LIFE = attribute(
    "shelf_life",
    v.quantity(2, 90, "days"),
    "shelf life; storage life || keeping time; freshness span",
    """
        {e} keeps for {v}; {e} must be sold within {v}; {e} stays fresh for {v}; throw {e} away after {v}
        || {e} lasts {v}; {e} holds up for {v} on the shelf""",
    """
        How long does {e} keep?; How long does {e} stay fresh?; Within what time must {e} be sold?
        || How many days does {e} last?; What period does {e} hold up for?""",
)
DISCOUNT = attribute(
    "discount",
    v.percentage,
    "discount; price cut || markdown; rebate",
    """
        {e} is {v} off; {e} has been reduced by {v}; we take {v} off {e}; the offer cuts {e} by {v}
        || {e} was marked down by {v}; shoppers save {v} on {e}""",
    """
        How much is {e} reduced?; By how much was {e} cut?; What reduction applies to {e}?
        || How big is the saving on {e}?; What share is knocked off {e}?""",
)
AISLE = attribute(
    "aisle",
    v.numbered("aisle", 1, 40),
    "location; place in the store || shelf position; display spot",
    """
        {e} is in {v}; you will find {e} in {v}; {e} has moved to {v}; look for {e} in {v}
        || {e} is shelved in {v}; staff put {e} out in {v}""",
    """
        Where is {e}?; In which aisle can I find {e}?; Which aisle has {e}?
        || Where is {e} shelved?; Which aisle holds {e}?""",
)
SKU = attribute(
    "sku",
    v.code,
    "item code; order code || catalogue number; reference",
    """
        {e} has the code {v}; order {e} under {v}; {e} carries code {v}; scan {v} for {e}
        || {e} is filed under {v}; use {v} to request {e}""",
    """
        Under which code is {e} ordered?; Which code belongs to {e}?; What code does {e} have?
        || What should I quote to request {e}?; Which reference is {e} filed under?""",
)
OFFER_END = attribute(
    "offer_end",
    v.date,
    """
        last day of the offer; end of the promotion
        || closing date of the deal; expiry date of the deal""",
    """
        the offer on {e} ends on {v}; {e} is on promotion until {v}; the promotion of {e} runs to {v}
        || the deal on {e} closes on {v}; after {v} the deal on {e} is over""",
    """
        When does the offer on {e} end?; Until when is {e} on promotion?
        || When does the deal on {e} close?; On what date is the deal for {e} over?""",
)
COLOUR = attribute(
    "colour",
    v.colour,
    "colour of the label; label colour || tag shade; colour of the tag",
    """
        {e} has a {v} label; {e} comes with a {v} label; look for the {v} label on {e}
        || {e} bears a {v} tag; the tag on {e} is {v}""",
    """
        What colour is the label of {e}?; Which colour marks {e}?
        || Which shade is the tag on {e}?; What is the shade on {e}?""",
)
SUPPLIER = link(
    "supplier",
    "company",
    "supplier; vendor || source; provider",
    """
        {e} comes from {v}; {v} supplies {e}; we buy {e} from {v}; {e} is delivered by {v}
        || {v} provides {e}; {e} is sourced from {v}""",
    """
        Who supplies {e}?; Where do we buy {e}?; Which company delivers {e}?
        || Who provides {e}?; From whom is {e} sourced?""",
    """
        the company that supplies {e}; the supplier of {e}
        || the business that provides {e}; the source of {e}""",
)
DELIVERY = attribute(
    "delivery",
    v.weekday,
    "delivery day; day of delivery || drop-off day; arrival day",
    """
        {e} is delivered on {v}; fresh deliveries of {e} come on {v}; the truck brings {e} on {v}
        || {e} arrives each {v}; {v} is when {e} gets in""",
    """
        On which day is {e} delivered?; When does the truck bring {e}?
        || Which weekday does {e} arrive?; What day does {e} get in?""",
)

DOMAINS = (
    Domain(
        "regional",
        "regional",
        phrases("""
        Regional prices; Product notes by region; Offers by region
        || Territory price sheet; Local offers"""),
        (PRICE, DISCOUNT, STOCK, DELIVERY, SHELF_LIFE),
    ),
    Domain(
        "groceries",
        "food",
        phrases("Grocery list; Fresh food notes; Product update || Pantry notes; Food counter memo"),
        (PRICE, SHELF_LIFE, STOCK, DISCOUNT, AISLE, SUPPLIER, OFFER_END, DELIVERY),
        (HEADQUARTERS, CHIEF, FOUNDED, PHONE),
    ),
    Domain(
        "pricelist",
        "goods",
        phrases("Price list; Catalogue; Shop offers; Household goods || Store leaflet; Autumn range"),
        (PRICE, STOCK, DISCOUNT, AISLE, SKU, OFFER_END, COLOUR, SUPPLIER),
        (HEADQUARTERS, CHIEF, EMPLOYEES, PHONE),
    ),
)

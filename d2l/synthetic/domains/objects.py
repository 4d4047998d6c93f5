"""Manuals of devices, landmarks and their history."""

from __future__ import annotations

from d2l.synthetic import values as v
from d2l.synthetic.domains.business import VISITORS
from d2l.synthetic.domains.goods import PRICE
from d2l.synthetic.schemas import Domain, attribute
from d2l.synthetic.words import phrases

WEIGHT = attribute(
    "weight",
    v.decimal(0.3, 39, "kg"),
    "weight; net weight || mass; load on the scales",
    """
        {e} weighs {v}; on the scale, {e} shows {v}; with {v}, {e} is easy to lift
        || {e} tips the scales at {v}; you lift {v} with {e}""",
    """
        How much does {e} weigh?; How heavy is {e}?
        || How many kilos is {e}?; What do you lift with {e}?""",
)
BATTERY = attribute(
    "battery",
    v.quantity(2, 96, "hours"),
    "battery life; running time || endurance; time between charges",
    """
        {e} runs for {v} on one charge; one charge powers {e} for {v}; {e} works {v} without a cable
        || {e} keeps going for {v}; {e} needs charging after {v}""",
    """
        How long does {e} run on one charge?; How long does the battery of {e} last?
        || How long does {e} keep going?; When does {e} need charging?""",
)
POWER = attribute(
    "power",
    v.quantity(40, 2400, "watts", 10),
    "power; power rating || energy use; electrical load",
    """
        {e} draws {v}; {e} needs {v} of power; {e} is rated at {v}
        || {e} consumes {v}; plan {v} for {e}""",
    """
        How much power does {e} need?; How many watts does {e} draw?
        || How much does {e} consume?; What load should I plan for {e}?""",
)
WARRANTY = attribute(
    "warranty",
    v.quantity(6, 72, "months"),
    "warranty; warranty period || guarantee; repair cover",
    """
        {e} is under warranty for {v}; the maker repairs {e} free for {v}; {e} is covered for {v}
        || free repair of {e} is promised for {v}; {e} has cover for {v}""",
    """
        How long is {e} under warranty?; For how long is {e} covered?
        || How long is free repair of {e} promised?; What cover does {e} have?""",
)
PIN = attribute(
    "pin",
    v.digits,
    "default PIN; PIN || factory passcode; unlock number",
    """
        {e} unlocks with {v}; enter {v} to start {e}; {e} is shipped with PIN {v}
        || key in {v} to wake {e}; {e} accepts {v} at first use""",
    """
        Which PIN unlocks {e}?; What must be entered to start {e}?
        || What do I key in to wake {e}?; Which digits does {e} accept at first?""",
)
LIGHT = attribute(
    "light",
    v.one_of("red; green; yellow; orange; blue; purple; white; pink"),
    "colour of the warning light; warning light || alarm lamp; fault signal",
    """
        {e} flashes {v} when it fails; a {v} light on {e} means trouble; if {e} is too hot, a {v} light comes on
        || {e} glows {v} on a fault; a fault turns the lamp of {e} {v}""",
    """
        What colour does {e} flash when it fails?; Which light on {e} means trouble?
        || What colour does {e} glow on a fault?; Which lamp warns of a fault on {e}?""",
)
PART = attribute(
    "part",
    v.code,
    "filter type; replacement filter || spare part; cartridge",
    """
        {e} takes filter {v}; fit filter {v} into {e}; {e} only works with filter {v}
        || {e} is refilled with {v}; get {v} as a spare for {e}""",
    """
        Which filter does {e} take?; What filter fits {e}?
        || What is {e} refilled with?; Which spare should I get for {e}?""",
)
OPENED = attribute(
    "opened",
    v.year,
    "opening year; year of completion || inauguration; year of the first visit",
    """
        {e} opened in {v}; {e} was completed in {v}; in {v}, {e} was finished
        || {e} was inaugurated in {v}; the ribbon at {e} was cut in {v}""",
    """
        When did {e} open?; In what year was {e} completed?
        || When was {e} inaugurated?; What year was the ribbon cut at {e}?""",
)
ARCHITECT = attribute(
    "architect",
    v.person,
    "architect; designer || master builder; planner",
    """
        {v} designed {e}; {e} was designed by {v}; {e} is the work of {v}; {v} drew the plans for {e}
        || {v} planned {e}; {e} was the idea of {v}""",
    """
        Who designed {e}?; Whose work is {e}?; Who drew the plans for {e}?
        || Who planned {e}?; Whose idea was {e}?""",
    "Who",
)
HEIGHT = attribute(
    "height",
    v.quantity(12, 320, "metres"),
    "height; total height || elevation; size from base to top",
    """
        {e} is {v} tall; {e} rises {v}; {e} stands {v} high
        || {e} reaches up {v}; from the ground, {e} measures {v}""",
    """
        How tall is {e}?; How high is {e}?
        || How far up does {e} reach?; What does {e} measure from the ground?""",
)
COST = attribute(
    "cost",
    v.big_money,
    "construction cost; building cost || bill for the works; expense",
    """
        {e} cost {v} to build; {v} was spent on {e}; the town paid {v} for {e}
        || the bill for {e} was {v}; {e} swallowed {v}""",
    """
        How much did {e} cost to build?; What was spent on {e}?; What did the town pay for {e}?
        || How big was the bill for {e}?; How much money did {e} swallow?""",
)
RENOVATED = attribute(
    "renovated",
    v.year,
    "year of renovation; renovation year || overhaul; year of the repairs",
    """
        {e} was renovated in {v}; {e} got a new roof in {v}; {v} brought a renovation of {e}
        || {e} was overhauled in {v}; repairs of {e} took place in {v}""",
    """
        When was {e} renovated?; When did {e} get a new roof?
        || When was {e} overhauled?; What year were the repairs of {e}?""",
)

DOMAINS = (
    Domain(
        "manuals",
        "device",
        phrases("Product manual; Technical data; Quick guide; Specifications || User handbook; Data sheet"),
        (WEIGHT, BATTERY, POWER, WARRANTY, PIN, LIGHT, PART, PRICE),
    ),
    Domain(
        "history",
        "landmark",
        phrases("Timeline; City guide; Local history; Landmarks || Heritage walk; Chronicle"),
        (OPENED, ARCHITECT, HEIGHT, COST, RENOVATED, VISITORS),
    ),
)

"""Projects and meetings, and classes (validation only)."""

from __future__ import annotations

from d2l.synthetic import values as v
from d2l.synthetic.domains.business import CHIEF, PHONE
from d2l.synthetic.domains.people import ROOM
from d2l.synthetic.schemas import Domain, attribute, link
from d2l.synthetic.words import phrases

OWNER = attribute(
    "owner",
    v.person,
    "owner; project lead || coordinator; head of the effort",
    """
        {v} leads {e}; {e} is led by {v}; {v} owns {e}; {v} will drive {e}
        || {v} coordinates {e}; {e} was entrusted to {v}""",
    """
        Who leads {e}?; Who is leading {e}?; Who drives {e}?
        || Who coordinates {e}?; To whom was {e} entrusted?""",
    "Who",
)
DEADLINE = attribute(
    "deadline",
    v.date,
    "deadline; due date || target date; finish date",
    """
        {e} is due on {v}; {e} must be done by {v}; {e} will finish on {v}; the team wants to close {e} by {v}
        || {e} should wrap up on {v}; we aim to complete {e} on {v}""",
    """
        When is {e} due?; By when must {e} be done?; When will {e} finish?
        || When should {e} wrap up?; On what day do we aim to complete {e}?""",
)
BUDGET = attribute(
    "budget",
    v.money,
    "budget; approved budget || funding; spending limit",
    """
        {e} has {v} to spend; {e} was given {v}; {v} was approved for {e}; the board set aside {v} for {e}
        || {e} received {v} in funds; {v} went to {e}""",
    """
        How much money does {e} have?; How much was approved for {e}?; What may {e} spend?
        || What funds did {e} receive?; How much money went to {e}?""",
)
REVIEW = attribute(
    "review",
    v.weekday,
    "review day; day of the next review || check-in day; day of the demo",
    """
        {e} will be reviewed on {v}; the next review of {e} is on {v}; we look at {e} again on {v}
        || {e} gets checked on {v}; a demo of {e} follows on {v}""",
    """
        On which day is {e} reviewed?; When do we look at {e} again?
        || When does {e} get checked?; On what weekday is the demo of {e}?""",
)
PROGRESS = attribute(
    "progress",
    v.percentage,
    "progress; share of work done || completion; amount completed",
    """
        {e} is {v} done; {v} of the work on {e} is finished; {e} has reached {v}
        || {e} is {v} complete; {v} of {e} lies behind us""",
    """
        How far along is {e}?; How much of {e} is finished?
        || How complete is {e}?; How much of {e} lies behind us?""",
)
RISK = attribute(
    "risk",
    v.combined(
        "late; missing; broken; expensive; slow || faulty; unclear; outdated; rejected",
        """
        parts; tests; permits; servers; contracts; sensors
        || drawings; samples; licences; cables""",
    ),
    "main risk; biggest risk || top worry; open problem",
    """
        {e} suffers from {v}; {e} is held back by {v}; {v} could stop {e}
        || {v} are a headache for {e}; {e} struggles with {v}""",
    """
        What could stop {e}?; What holds {e} back?
        || What does {e} struggle with?; What is a headache for {e}?""",
)
TEAM = link(
    "team",
    "team",
    "team; assigned team || crew; group at work",
    """
        {v} runs {e}; {e} is run by {v}; {v} works on {e}; {e} belongs to {v}
        || {v} handles {e}; {e} went to {v}""",
    """
        Which team runs {e}?; Who works on {e}?; Which team does {e} belong to?
        || Which crew handles {e}?; To which crew did {e} go?""",
    """
        the team that runs {e}; the team that works on {e}
        || the crew that handles {e}; the crew behind {e}""",
)
SIZE = attribute(
    "size",
    v.quantity(3, 48, "people"),
    "size; number of members || strength; number of heads",
    "{e} has {v}; {v} make up {e}; there are {v} in {e} || {e} counts {v}; {v} belong to {e}",
    """
        How many people are in {e}?; How large is {e}?
        || How many people does {e} count?; How many belong to {e}?""",
)
FEE = attribute(
    "fee",
    v.price,
    "fee || entry price; charge",
    """
        joining {e} costs {v}
        || a seat in {e} is {v}; you pay {v} to join {e}; {e} costs {v} per person; tickets for {e} are {v}; {e}
        asks for {v}""",
    """
        What does joining {e} cost?
        || How much is a seat in {e}?; What do I pay to join {e}?; How expensive is {e}?; What does {e} cost per
        person?""",
)
TEACHER = attribute(
    "teacher",
    v.person,
    "teacher || instructor; trainer; guide for the day",
    """
        {v} teaches {e}
        || {v} will guide {e}; {e} is taught by {v}; {v} gives {e}; {e} is led by the trainer {v}""",
    """
        Who teaches {e}?
        || Who will guide {e}?; Who gives {e}?; Who stands in front at {e}?; Who will train people at {e}?""",
    "Who",
)
START = attribute(
    "start",
    v.clock_time,
    "start || starting time; kick-off time; time of the first exercise",
    """
        {e} starts at {v}
        || {e} begins at {v}; come to {e} at {v}; {e} kicks off at {v}; be there at {v} for {e}""",
    """
        When does {e} start?
        || What time does {e} begin?; At what time should I come to {e}?; When does {e} kick off?""",
)
SEATS = attribute(
    "seats",
    v.quantity(6, 60, "places"),
    "seats || free spots; places on offer; capacity of the group",
    """
        {e} has {v}
        || {e} offers {v}; {e} comes with {v}; {v} remain in {e}; we can still give out {v} for {e}""",
    """
        How many seats does {e} have?
        || How many places does {e} offer?; How many can still join {e}?; How many places remain in {e}?""",
)

DOMAINS = (
    Domain(
        "projects",
        "project",
        phrases("Project meeting; Status report; Minutes; Steering notes || Progress log; Planning round"),
        (OWNER, DEADLINE, BUDGET, REVIEW, PROGRESS, RISK, TEAM),
        (CHIEF, SIZE, ROOM, PHONE),
    ),
    Domain(
        "workshops",
        "workshop",
        phrases("Classes || Workshop notice; Course calendar; Evening events; Summer programme"),
        (FEE, TEACHER, START, SEATS, ROOM),
        splits=("validation",),
    ),
)

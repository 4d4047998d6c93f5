"""Travel notices, animal records, and laboratory records (validation only)."""

from __future__ import annotations

from d2l.synthetic import values as v
from d2l.synthetic.schemas import Domain, attribute
from d2l.synthetic.words import phrases

DEPARTURE = attribute(
    "departure",
    v.clock_time,
    "departure time; time of departure || leaving time; scheduled exit",
    """
        {e} leaves at {v}; {e} departs at {v}; {e} will go at {v}; be on board {e} by {v}
        || {e} sets off at {v}; {e} pulls out at {v}""",
    """
        When does {e} leave?; At what time does {e} depart?
        || When does {e} set off?; What time does {e} pull out?""",
)
PLATFORM = attribute(
    "platform",
    v.numbered("platform", 1, 28),
    "platform; boarding point || stop; place to wait",
    """
        {e} stops at {v}; {e} goes from {v}; board {e} at {v}; {e} has been moved to {v}
        || get on {e} at {v}; {e} waits at {v}""",
    """
        Where do I board {e}?; Which platform is {e} at?; Where does {e} stop?
        || Where do I get on {e}?; Where does {e} wait?""",
)
LATE = attribute(
    "late",
    v.quantity(5, 95, "minutes", 5),
    "delay; expected delay || lateness; extra wait",
    """
        {e} is {v} late; {e} is delayed by {v}; expect {e} {v} late
        || {e} will turn up {v} behind time; add {v} for {e}""",
    """
        How late is {e}?; How long is {e} delayed?
        || How far behind time is {e}?; How much should I add for {e}?""",
)
FARE = attribute(
    "fare",
    v.price,
    "fare; ticket price || cost of a seat; single fare",
    """
        a ticket for {e} costs {v}; {e} costs {v} one way; travellers pay {v} for {e}
        || you pay {v} on {e}; a seat on {e} comes to {v}""",
    """
        How much is a ticket for {e}?; What do travellers pay for {e}?
        || What do you pay on {e}?; What does a seat on {e} come to?""",
)
DRIVER = attribute(
    "driver",
    v.person,
    "driver; driver on duty || conductor; person at the wheel",
    """
        {v} drives {e}; {e} is driven by {v}; {v} is on duty on {e}
        || {v} takes the wheel of {e}; {e} is steered by {v}""",
    "Who drives {e}?; Who is on duty on {e}? || Who takes the wheel of {e}?; Who steers {e}?",
    "Who",
)
STOPOVER = attribute(
    "stopover",
    v.place,
    "stopover; stop on the way || break on the way; transfer point",
    """
        {e} runs by way of {v}; {e} makes a stop in {v}; on the way, {e} calls at {v}
        || {e} pauses in {v}; change from {e} in {v}""",
    """
        Where does {e} make a stop?; Which town does {e} call at?
        || Where does {e} pause?; In which town does one change from {e}?""",
)
SPECIES = attribute(
    "species",
    v.one_of("""
        otter; lion; zebra; panda; camel; penguin; llama; leopard; koala; wolf
        || walrus; meerkat; giraffe; lemur; badger; ostrich"""),
    "species; kind of animal || type of creature; breed",
    """
        {e} is a {v}; the {v} is called {e}; our {v} has the name {e}
        || {e} belongs with the {v} group; visitors know {e} as a {v}""",
    """
        What animal is {e}?; What kind of animal is {e}?
        || What sort of creature is {e}?; As what do visitors know {e}?""",
)
DIET = attribute(
    "diet",
    v.combined(
        "chopped; fresh; frozen; soft || diced; warm; boiled; dry",
        "carrots; fish; apples; leaves; hay; melons; shrimp || beans; figs; pears; nuts; potatoes",
    ),
    "favourite food; diet || preferred snack; daily menu",
    """
        {e} eats {v}; {e} likes {v} best; feed {e} with {v}; {e} gets {v}
        || {e} is fond of {v}; {v} keep {e} happy""",
    """
        What does {e} eat?; What is {e} fed with?; What does {e} get to eat?
        || What is {e} fond of?; Which food keeps {e} happy?""",
)
KEEPER = attribute(
    "keeper",
    v.person,
    "keeper; zoo keeper || caretaker; handler",
    """
        {v} feeds {e}; {v} takes care of {e}; {e} is cared for by {v}
        || {v} watches over {e}; {e} listens to {v}""",
    """
        Who takes care of {e}?; Who feeds {e}?
        || Who watches over {e}?; To whom does {e} listen?""",
    "Who",
)
ARRIVED = attribute(
    "arrived",
    v.recent_year,
    "year of arrival; arrival || move to the zoo; first year here",
    """
        {e} came here in {v}; {e} arrived in {v}; {e} has been here since {v}
        || {e} moved in in {v}; we took in {e} in {v}""",
    """
        When did {e} arrive?; Since when has {e} been here?
        || When did {e} move in?; In what year did we take in {e}?""",
)
BODY = attribute(
    "body",
    v.quantity(4, 390, "kg"),
    "weight; body weight || mass; last weighing",
    """
        {e} weighs {v}; {e} has grown to {v}; the vet measured {v} for {e}
        || {e} tips the scales at {v}; {e} was weighed at {v}""",
    """
        How much does {e} weigh?; How heavy is {e}?
        || How many kilos is {e}?; What did the scales say for {e}?""",
)
FREEZER = attribute(
    "freezer",
    v.numbered("freezer", 1, 40),
    "freezer || storage unit; cold spot; cabinet",
    """
        {e} is in {v}
        || {e} is stored in {v}; find {e} in {v}; {e} was put into {v}; {v} holds {e}""",
    """
        Which freezer has {e}?
        || Where is {e} stored?; Where was {e} put?; What holds {e}?; Where should I fetch {e}?""",
)
VOLUME = attribute(
    "volume",
    v.quantity(2, 90, "ml"),
    "volume || amount; quantity left; filling",
    """
        {e} has {v}
        || there are {v} of {e}; {e} contains {v}; {v} of {e} are left; we still have {v} of {e}""",
    """
        How much is {e}?
        || What remains of {e}?; How many millilitres does {e} contain?; What amount of {e} do we have?""",
)
COLLECTED = attribute(
    "collected",
    v.date,
    "collection day || collection date; day of sampling; intake date",
    """
        {e} is from {v}
        || {e} was collected on {v}; {e} reached the lab on {v}; we took {e} on {v}; {v} is when {e} was taken""",
    """
        From what day is {e}?
        || When was {e} collected?; When did {e} reach the lab?; On which date was {e} taken?""",
)
TECHNICIAN = attribute(
    "technician",
    v.person,
    "technician || analyst; scientist at work; examiner",
    """
        {v} has {e}
        || {v} analysed {e}; {e} was examined by {v}; {v} signed for {e}; {e} was handed to {v}""",
    """
        Who has {e}?
        || Who analysed {e}?; Who examined {e}?; Who signed for {e}?; To whom was {e} handed?""",
    "Who",
)
ACIDITY = attribute(
    "acidity",
    v.decimal(2, 11, "pH"),
    "acidity || measured pH; pH reading; reading of the meter",
    """
        {e} has {v}
        || {e} tested at {v}; the meter showed {v} for {e}; a reading of {v} was noted for {e}""",
    """
        How acid is {e}?
        || What did {e} test at?; What did the meter show for {e}?; Which reading was noted for {e}?""",
)

DOMAINS = (
    Domain(
        "travel",
        "trip",
        phrases("""
        Travel notice; Departures; Timetable change; Traveller information
        || Passenger bulletin; On the move today"""),
        (DEPARTURE, PLATFORM, LATE, FARE, DRIVER, STOPOVER),
    ),
    Domain(
        "zoo",
        "animal",
        phrases("Zoo diary; Our animals; Animal records || Keeper's log; Residents of the park"),
        (SPECIES, DIET, KEEPER, ARRIVED, BODY),
    ),
    Domain(
        "laboratory",
        "sample",
        phrases("Lab log || Laboratory inventory; Freezer list; Sample register"),
        (FREEZER, VOLUME, COLLECTED, TECHNICIAN, ACIDITY),
        splits=("validation",),
    ),
)

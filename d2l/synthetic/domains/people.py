"""People and how to reach them: profiles, staff lists, contact sheets."""

from __future__ import annotations

from d2l.synthetic import values as v
from d2l.synthetic.domains.business import CHIEF, EMPLOYEES, FOUNDED, HEADQUARTERS, OPENING, PHONE
from d2l.synthetic.schemas import Domain, attribute, link
from d2l.synthetic.words import phrases

JOB = attribute(
    "job",
    v.one_of("""
        nurse; welder; pilot; baker; teacher; lawyer; farmer; dentist; plumber; architect; chemist; librarian;
        engineer; tailor; editor; gardener
        || carpenter; surgeon; translator; butcher; optician; actor; judge; fisherman"""),
    "job; profession || occupation; trade",
    """
        {e} works as a {v}; {e} is a {v}; {e} earns a living as a {v}; {e} trained to be a {v}
        || {e} makes a career as a {v}; by calling, {e} is a {v}""",
    """
        What does {e} do for work?; What is the job of {e}?; What does {e} work as?
        || How does {e} make a living?; What career does {e} have?""",
)
HOME = attribute(
    "home",
    v.place,
    "home town; place of residence || current address; town of residence",
    """
        {e} lives in {v}; {e} has a house in {v}; {v} is where {e} lives; {e} moved to {v}
        || {e} settled in {v}; you can meet {e} at home in {v}""",
    """
        Where does {e} live?; In which town does {e} have a house?; Which town is home to {e}?
        || Where did {e} settle?; What town would you visit {e} in?""",
)
HOBBY = attribute(
    "hobby",
    v.combined(
        "indoor; mountain; winter; competitive; night || weekend; vintage; freestyle; lake",
        """
        climbing; chess; cycling; photography; swimming; painting; fishing; archery; running; sailing
        || skating; bowling; rowing; surfing; sketching; gliding""",
    ),
    "hobby; favourite pastime || leisure activity; passion",
    """
        {e} loves {v}; {e} spends weekends on {v}; in free time, {e} goes in for {v}; {e} took up {v}
        || {e} is mad about {v}; nothing beats {v} for {e}""",
    """
        What does {e} love doing?; What does {e} do in free time?; How does {e} spend weekends?
        || What is {e} mad about?; What does {e} enjoy most?""",
)
AGE = attribute(
    "age",
    v.quantity(19, 88, "years"),
    "age || current age",
    """
        {e} is {v} old; {e} turned {v} old this month; at {v} of age, {e} is well known here
        || {e} has reached {v} of age; {e} has lived {v}""",
    """
        How old is {e}?; What age is {e}?
        || How many years has {e} lived?; What age has {e} reached?""",
)
BIRTHDAY = attribute(
    "birthday",
    v.date,
    "birthday; date of birth || day to celebrate; cake day",
    """
        {e} was born on {v}; {e} has a birthday on {v}; {e} celebrates on {v}
        || we bring cake for {e} on {v}; {e} blows out candles on {v}""",
    """
        When was {e} born?; On what day is the birthday of {e}?
        || When do we bring cake for {e}?; When does {e} blow out candles?""",
)
PET = attribute(
    "pet",
    v.combined(
        """
        a grey; a three-legged; a sleepy; a spotted; a noisy
        || a fluffy; a tiny; a curious; a lazy""",
        "cat; dog; parrot; rabbit; turtle; hamster; pony || ferret; goldfish; gecko; hen",
    ),
    "pet; animal at home || furry friend; companion",
    """
        {e} owns {v}; {e} keeps {v}; {e} shares a home with {v}
        || {e} looks after {v}; {v} belongs to {e}""",
    """
        What animal does {e} own?; Which pet does {e} keep?
        || What animal belongs to {e}?; Which animal does {e} look after?""",
)
CAR = attribute(
    "car",
    v.colour,
    "car colour; colour of the car || paint on the van; van colour",
    """
        {e} drives a {v} car; {e} has a {v} car; the {v} car belongs to {e}
        || {e} gets around in a {v} van; the {v} van is for {e}""",
    """
        What colour car does {e} drive?; Which car belongs to {e}, by colour?
        || What colour van does {e} get around in?; Which shade is the van of {e}?""",
)
ROOM = attribute(
    "room",
    v.numbered("room", 101, 498),
    "room; room number || work place; door to knock on",
    """
        {e} is in {v}; {e} can be found in {v}; {e} has moved into {v}; go to {v} for {e}
        || {e} sits in {v}; knock at {v} for {e}""",
    """
        Where can I find {e}?; In which room is {e}?; Which room should I go to for {e}?
        || Where should I knock for {e}?; Which room does {e} sit in?""",
)
EMPLOYER = link(
    "employer",
    "company",
    "employer; company || workplace; paying firm",
    """
        {e} works for {v}; {e} joined {v}; {v} employs {e}; {e} has a contract with {v}
        || {e} is on the payroll of {v}; {v} hired {e}""",
    """
        Who does {e} work for?; Which company employs {e}?; What company did {e} join?
        || Who hired {e}?; On whose payroll is {e}?""",
    """
        the company {e} works for; the employer of {e}; the firm that employs {e}
        || the business that hired {e}; the workplace of {e}""",
)
EMAIL_CODE = attribute(
    "mailbox",
    v.code,
    "mail code; mailbox || post box; postal code",
    """
        write to {v} for {e}; send letters for {e} to {v}; {e} uses box {v}
        || address post for {e} to {v}; {e} collects its post at {v}""",
    """
        Where do I send letters for {e}?; Which box does {e} use?
        || Where does {e} collect its post?; What do I write on post for {e}?""",
)

DOMAINS = (
    Domain(
        "profiles",
        "person",
        phrases("""
        Staff portraits; Meet the people; Profiles; New colleagues
        || Faces of the month; Introductions"""),
        (JOB, HOME, HOBBY, AGE, BIRTHDAY, PET, CAR, EMPLOYER),
        (HEADQUARTERS, CHIEF, FOUNDED, EMPLOYEES),
    ),
    Domain(
        "contacts",
        "department",
        phrases("Contact sheet; Who to call; Office directory || Useful numbers; Help desk guide"),
        (PHONE, ROOM, OPENING, EMAIL_CODE, CHIEF),
    ),
    Domain(
        "staff",
        "person",
        phrases("Staff list; Phone book; Team directory || Colleagues at a glance; Desk plan"),
        (PHONE, ROOM, JOB, BIRTHDAY, HOME),
    ),
)

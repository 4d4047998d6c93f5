"""Businesses: weekly retail briefs, stores, companies."""

from __future__ import annotations

from d2l.synthetic import values as v
from d2l.synthetic.schemas import Domain, attribute
from d2l.synthetic.words import phrases

HEADQUARTERS = attribute(
    "headquarters",
    v.place,
    "headquarters; town of the head office || main base; base town",
    """
        {e} has its head office in {v}; {e} is based in {v}; {v} is home to {e}; {e} works out of {v}
        || {e} is run from {v}; {e} has its desks in {v}""",
    """
        Where is {e} based?; In which town is {e} at home?; Where does {e} have its head office?
        || Where is {e} run from?; Which town does {e} call home?""",
)
CHIEF = attribute(
    "chief",
    v.person,
    "chief; director || managing head; top person",
    """
        {v} runs {e}; {e} is headed by {v}; {v} is in charge of {e}; {v} is the boss of {e}
        || {v} presides over {e}; {e} answers to {v}""",
    """
        Who runs {e}?; Who heads {e}?; Who is in charge at {e}?
        || Who presides over {e}?; To whom does {e} answer?""",
    "Who",
)
FOUNDED = attribute(
    "founded",
    v.year,
    "founding year; year of foundation || starting year; year of birth as a business",
    """
        {e} was founded in {v}; {e} goes back to {v}; {e} opened its doors in {v}
        || {e} was set up in {v}; {e} has existed since {v}""",
    """
        When was {e} founded?; In what year did {e} start?
        || Since when has {e} existed?; What year was {e} set up?""",
)
EMPLOYEES = attribute(
    "employees",
    v.number(20, 4900),
    "number of employees; headcount || staff size; payroll size",
    """
        {e} employs {v} people; {v} people work for {e}; {e} has {v} employees
        || {e} has a staff of {v}; {v} workers are on the payroll of {e}""",
    """
        How many people work for {e}?; How many employees does {e} have?; How many people does {e} employ?
        || How large is the staff of {e}?; How many workers does {e} have?""",
)
REVENUE = attribute(
    "revenue",
    v.money,
    "revenue; turnover || annual takings; yearly income",
    """
        {e} made {v} in sales; {e} earned {v} last year; sales at {e} reached {v}
        || {e} took in {v}; {v} flowed into {e} over the year""",
    """
        How much did {e} make in sales?; What did {e} earn last year?
        || How much did {e} take in?; What sum flowed into {e}?""",
)
PHONE = attribute(
    "phone",
    v.digits,
    "phone extension; extension || hotline number; dial code",
    """
        call {v} to reach {e}; {e} can be reached on extension {v}; dial {v} for {e}
        || {e} picks up on {v}; ring {v} and ask for {e}""",
    """
        Which number reaches {e}?; What do I dial for {e}?; How can {e} be reached?
        || What number should I ring for {e}?; On which line does {e} pick up?""",
)
SHORTAGE = attribute(
    "shortage",
    v.food,
    "product in short supply; missing product || scarce item; sold-out item",
    """
        {e} is short of {v}; {e} has run out of {v}; shelves in {e} have no {v}; deliveries of {v} to {e} have
        stopped
        || {v} is scarce in {e}; {e} cannot get {v}""",
    """
        What is {e} short of?; Which product has run out in {e}?; What is missing in {e}?
        || What is scarce in {e}?; Which item can {e} not get?""",
)
CAUSE = attribute(
    "cause",
    v.combined(
        """
        a strike; a flood; a fire; a power cut; a frost; a truck breakdown; a rail closure; a staff shortage
        || a storm; a landslide; a customs delay; a software fault; a pest outbreak""",
        """
        at the port; at the bakery; in the valley; at the depot; at the main farm; near the border; at the packing
        plant
        || at the harbour; in the hills; at the mill; at the cold store; on the coast road""",
    ),
    """
        reason for the disruption; cause of the delay
        || source of the trouble; root of the problem""",
    """
        {v} has disrupted supply in {e}; supply in {e} is disrupted by {v}; {v} is slowing deliveries in {e};
        because of {v}, trucks to {e} are late
        || {v} is holding up goods for {e}; goods for {e} are stuck because of {v}""",
    """
        What disrupted supply in {e}?; Why are deliveries in {e} slow?; What is behind the late trucks to {e}?
        || What is holding up goods for {e}?; Why are goods for {e} stuck?""",
)
COMPETITOR = attribute(
    "competitor",
    v.company,
    "main competitor; strongest competitor || chief rival; toughest rival",
    """
        {v} competes hardest in {e}; in {e} we face {v}; {v} opened new shops in {e}; {v} is gaining ground in {e}
        || our rival in {e} is {v}; {v} is the one to beat in {e}""",
    """
        Who competes with us in {e}?; Which company do we face in {e}?
        || Who is the one to beat in {e}?; Which rival do we meet in {e}?""",
)
PROMOTION = attribute(
    "promotion",
    v.combined(
        "two-for-one; half-price; free; bonus || buy-one-get-one; discounted; complimentary",
        """
        soup; bread; coffee; ice; cheese; flower; juice; cake; tea
        || pasta; yoghurt; salad; biscuit; olive""",
        "week; weekend; coupons; samples; vouchers || days; tasting; stamps; fair",
    ),
    "promotion; campaign || special action; push of the week",
    """
        {e} is running {v}; {e} will promote {v}; stores in {e} offer {v}; push {v} in {e}
        || {e} goes for {v}; the plan for {e} is {v}""",
    """
        What is {e} promoting?; Which campaign runs in {e}?; What do stores in {e} offer?
        || What is planned for {e}?; Which action does {e} go for?""",
)
SALES = attribute(
    "sales",
    v.percentage,
    "sales growth; growth in sales || gain in takings; rise in takings",
    """
        sales in {e} rose by {v}; {e} sold {v} more than last week; {e} grew {v}
        || takings in {e} climbed {v}; {e} took {v} more""",
    """
        By how much did sales rise in {e}?; How much did {e} grow?
        || By what share did takings climb in {e}?; How much more did {e} take?""",
)
MANAGER = attribute(
    "manager",
    v.person,
    "manager; responsible manager || person in charge; lead contact",
    """
        {v} manages {e}; {e} is managed by {v}; {v} looks after {e}; {v} took over {e}
        || {v} oversees {e}; {e} is in the hands of {v}""",
    """
        Who manages {e}?; Who looks after {e}?; Who is responsible for {e}?
        || Who oversees {e}?; In whose hands is {e}?""",
    "Who",
)
DELAY = attribute(
    "delay",
    v.quantity(2, 21, "days"),
    "delay; delivery delay || hold-up; lag",
    """
        deliveries to {e} are {v} late; {e} must wait {v} for its trucks; trucks need {v} longer to {e}
        || goods reach {e} {v} behind plan; {e} is {v} behind""",
    """
        How late are deliveries to {e}?; How long must {e} wait?
        || How far behind plan is {e}?; By how many days is {e} behind?""",
)
OPENING = attribute(
    "opening",
    v.opening_time,
    "opening time; opening hour || start of business; first hour of trade",
    """
        {e} opens at {v}; doors at {e} open at {v}; from {v} on, {e} is open
        || {e} lets people in from {v}; business at {e} begins at {v}""",
    """
        When does {e} open?; At what time do the doors of {e} open?
        || From what time can I enter {e}?; When does business begin at {e}?""",
)
VISITORS = attribute(
    "visitors",
    v.number(110, 4900),
    "number of visitors; visitor count || footfall; guest count",
    """
        {e} had {v} visitors; {v} people visited {e}; {e} counted {v} visitors
        || {v} guests came to {e}; {e} drew {v} guests""",
    """
        How many people visited {e}?; How many visitors did {e} have?
        || How many guests came to {e}?; What crowd did {e} draw?""",
)

DOMAINS = (
    Domain(
        "retail",
        "region",
        phrases("""
        Weekly retail brief; Regional update; Supply and sales notes; MegaMart week in review
        || Territory digest; Field briefing; Trade bulletin"""),
        (SHORTAGE, CAUSE, COMPETITOR, PROMOTION, SALES, MANAGER, DELAY),
    ),
    Domain(
        "companies",
        "company",
        phrases("""
        Company facts; Market overview; Business profiles
        || Corporate notes; Who is who in business"""),
        (HEADQUARTERS, CHIEF, FOUNDED, EMPLOYEES, REVENUE, PHONE),
    ),
    Domain(
        "stores",
        "store",
        phrases("Store report; Our shops; News from the stores || Branch report; Outlet news"),
        (MANAGER, OPENING, VISITORS, SALES, PHONE, SHORTAGE),
    ),
)

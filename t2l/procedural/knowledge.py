"""Small tables of common knowledge: opposites, plurals, capitals, kinds of things."""


def words(text: str) -> tuple[str, ...]:
    """Entries of a table, separated by commas."""
    return tuple(" ".join(entry.split()) for entry in text.split(","))


def table(text: str) -> dict[str, str]:
    """A table from ``key: value, key: value``."""
    pairs = (entry.split(":") for entry in words(text))
    return {key.strip(): value.strip() for key, value in pairs}


CATEGORIES = {
    "animal": words("""cat, dog, horse, cow, tiger, lion, rabbit, sheep, goat, wolf, fox, bear, monkey, eagle, owl,
        duck, shark, whale, frog, snake, camel, donkey, mouse, elephant, penguin, zebra, pig, deer"""),
    "fruit": words("""apple, banana, pear, grape, lemon, cherry, mango, quince, plum, kiwi, melon, papaya,
        strawberry, raspberry, pineapple, fig, watermelon, blackberry, blueberry, coconut, pomegranate"""),
    "tool": words("""hammer, saw, drill, wrench, screwdriver, pliers, chisel, shovel, rake, axe, spade, file, clamp,
        crowbar, trowel, sickle, scythe, mallet, tweezers, hoe"""),
    "colour": words("""red, blue, green, yellow, purple, pink, brown, black, white, grey, beige, turquoise, violet,
        crimson, magenta, scarlet, indigo, cyan, maroon, ivory"""),
    "country": words("""France, Spain, Italy, Germany, Poland, Japan, China, India, Brazil, Peru, Chile, Egypt, Kenya,
        Canada, Mexico, Norway, Sweden, Greece, Portugal, Turkey, Nigeria, Vietnam"""),
    "vehicle": words("""car, bus, train, bicycle, truck, tram, motorcycle, ship, ferry, airplane, helicopter, van, taxi,
        scooter, tractor, yacht, canoe, submarine, ambulance, lorry"""),
    "garment": words("""shirt, coat, scarf, jacket, sweater, skirt, dress, hat, glove, sock, boot, shoe, belt, trousers,
        blouse, vest, hoodie, cardigan, tie, raincoat"""),
    "instrument": words("""piano, guitar, violin, flute, drum, trumpet, cello, harp, clarinet, saxophone, trombone,
        oboe, banjo, accordion, tuba, viola, mandolin, ukulele, organ, bassoon"""),
}
OPPOSITES = table("""hot: cold, big: small, fast: slow, old: young, up: down, left: right, open: closed, full: empty,
    happy: sad, rich: poor, strong: weak, light: dark, early: late, hard: soft, wet: dry, high: low, long: short,
    good: bad, true: false, inside: outside, above: below, first: last, clean: dirty, cheap: expensive, loud: quiet,
    thick: thin, wide: narrow, deep: shallow, easy: difficult, near: far, day: night, love: hate, win: lose,
    buy: sell, push: pull, begin: end, give: take, laugh: cry, remember: forget, arrive: leave, always: never,
    everything: nothing, friend: enemy, war: peace, life: death, north: south, east: west, brave: cowardly,
    tall: short, sharp: blunt, smooth: rough, sweet: bitter, safe: dangerous, alive: dead, awake: asleep,
    heavy: light, question: answer, summer: winter, morning: evening, accept: refuse, increase: decrease,
    success: failure, victory: defeat, polite: rude, maximum: minimum, entrance: exit, before: after""")
SYNONYMS = table("""big: large, small: little, fast: quick, happy: glad, sad: unhappy, smart: clever, begin: start,
    end: finish, buy: purchase, help: assist, choose: select, speak: talk, shut: close, ill: sick, rich: wealthy,
    hard: difficult, easy: simple, strange: odd, angry: mad, brave: courageous, quiet: silent, scared: afraid,
    tired: weary, correct: right, wrong: incorrect, famous: well-known, gift: present, street: road, house: home,
    boat: ship, stone: rock, forest: woods, job: work, child: kid, error: mistake, answer: reply, ask: inquire,
    repair: fix, shout: yell, jump: leap, look: watch, keep: retain, show: display, build: construct, get: obtain,
    need: require, allow: permit, try: attempt, leave: depart, near: close, funny: amusing, pretty: beautiful,
    cold: chilly, hot: boiling, huge: enormous, tiny: small, picture: image, car: automobile, trip: journey,
    sofa: couch, couple: pair, aid: help, rubbish: garbage, film: movie, autumn: fall""")
PLURALS = table("""child: children, man: men, woman: women, foot: feet, tooth: teeth, mouse: mice, goose: geese,
    person: people, leaf: leaves, knife: knives, wife: wives, wolf: wolves, half: halves, shelf: shelves, city: cities,
    baby: babies, lady: ladies, party: parties, story: stories, berry: berries, box: boxes, fox: foxes, bus: buses,
    glass: glasses, dish: dishes, church: churches, watch: watches, brush: brushes, class: classes, potato: potatoes,
    tomato: tomatoes, hero: heroes, key: keys, boy: boys, day: days, toy: toys, dog: dogs, cat: cats, book: books,
    table: tables, river: rivers, friend: friends, window: windows, garden: gardens, teacher: teachers, photo: photos,
    piano: pianos, house: houses, horse: horses, bridge: bridges, lamp: lamps, door: doors, country: countries,
    family: families, peach: peaches, loaf: loaves, thief: thieves, army: armies, bench: benches, hat: hats""")
PAST = table("""go: went, see: saw, eat: ate, take: took, give: gave, come: came, run: ran, write: wrote, drive: drove,
    speak: spoke, break: broke, sing: sang, drink: drank, swim: swam, begin: began, buy: bought, bring: brought,
    think: thought, teach: taught, catch: caught, make: made, have: had, say: said, pay: paid, sleep: slept,
    keep: kept, feel: felt, leave: left, meet: met, find: found, hold: held, tell: told, sell: sold, send: sent,
    spend: spent, build: built, lose: lost, win: won, sit: sat, stand: stood, fly: flew, grow: grew, know: knew,
    throw: threw, walk: walked, play: played, stop: stopped, try: tried, dance: danced, work: worked, cook: cooked,
    open: opened, carry: carried, plan: planned, live: lived, jump: jumped, call: called, study: studied""")
GERUNDS = table("""go: going, see: seeing, eat: eating, take: taking, give: giving, come: coming, run: running,
    write: writing, drive: driving, speak: speaking, break: breaking, sing: singing, drink: drinking, swim: swimming,
    begin: beginning, buy: buying, bring: bringing, think: thinking, teach: teaching, catch: catching, make: making,
    have: having, say: saying, pay: paying, sleep: sleeping, keep: keeping, feel: feeling, leave: leaving,
    meet: meeting, find: finding, hold: holding, tell: telling, sell: selling, send: sending, spend: spending,
    build: building, lose: losing, win: winning, sit: sitting, stand: standing, fly: flying, grow: growing,
    know: knowing, throw: throwing, walk: walking, play: playing, stop: stopping, try: trying, dance: dancing,
    work: working, cook: cooking, open: opening, carry: carrying, plan: planning, live: living, jump: jumping,
    call: calling, study: studying""")
THIRD_PERSON = {
    verb: {"have": "has", "go": "goes", "teach": "teaches", "catch": "catches"}.get(verb)
    or (f"{verb[:-1]}ies" if verb in ("try", "carry", "study", "fly") else f"{verb}s")
    for verb in PAST
}
COMPARATIVES = table("""big: bigger, small: smaller, fast: faster, slow: slower, old: older, young: younger, hot:
    hotter, cold: colder, happy: happier, sad: sadder, rich: richer, poor: poorer, strong: stronger, weak: weaker,
    dark: darker, early: earlier, late: later, hard: harder, soft: softer, wet: wetter, dry: drier, high: higher,
    low: lower, long: longer, short: shorter, good: better, bad: worse, clean: cleaner, dirty: dirtier, cheap:
    cheaper, loud: louder, quiet: quieter, thick: thicker, thin: thinner, wide: wider, narrow: narrower, deep:
    deeper, easy: easier, near: nearer, tall: taller, sharp: sharper, smooth: smoother, sweet: sweeter, safe:
    safer, heavy: heavier, brave: braver, polite: politer, funny: funnier, large: larger, nice: nicer, warm:
    warmer""")
CAPITALS = table("""France: Paris, Spain: Madrid, Italy: Rome, Germany: Berlin, Poland: Warsaw, Japan: Tokyo,
    China: Beijing, Russia: Moscow, Egypt: Cairo, Kenya: Nairobi, Canada: Ottawa, Cuba: Havana, Peru: Lima,
    Norway: Oslo, Sweden: Stockholm, Denmark: Copenhagen, Finland: Helsinki, Greece: Athens, Portugal: Lisbon,
    Austria: Vienna, Hungary: Budapest, Ireland: Dublin, Belgium: Brussels, Turkey: Ankara, Iraq: Baghdad, Iran: Tehran,
    Syria: Damascus, Lebanon: Beirut, Thailand: Bangkok, Vietnam: Hanoi, Argentina: Buenos Aires, Chile: Santiago,
    Colombia: Bogota, Venezuela: Caracas, Ecuador: Quito, Brazil: Brasilia, Uruguay: Montevideo, Ukraine: Kyiv,
    Romania: Bucharest, Bulgaria: Sofia, Serbia: Belgrade, Croatia: Zagreb, Ghana: Accra, Morocco: Rabat,
    Tunisia: Tunis, Senegal: Dakar, Ethiopia: Addis Ababa, Somalia: Mogadishu, Uganda: Kampala, Nepal: Kathmandu,
    Afghanistan: Kabul, Mongolia: Ulaanbaatar, Indonesia: Jakarta, Australia: Canberra""")
CONTINENTS = {
    "Europe": words(
        "France, Spain, Italy, Germany, Poland, Norway, Sweden, Denmark, Finland, Greece, Portugal, Austria"
        ", Hungary, Ireland, Belgium, Romania, Bulgaria, Serbia, Croatia, Ukraine"
    ),
    "Asia": words(
        "Japan, China, Iraq, Iran, Syria, Lebanon, Thailand, Vietnam, Nepal, Afghanistan, Mongolia, Indonesia"
    ),
    "Africa": words("Egypt, Kenya, Ghana, Morocco, Tunisia, Senegal, Ethiopia, Somalia, Uganda"),
    "America": words("Canada, Cuba, Peru, Argentina, Chile, Colombia, Venezuela, Ecuador, Brazil, Uruguay"),
}
COLOUR_OF = table("""banana: yellow, grass: green, snow: white, coal: black, blood: red, tomato: red, lemon: yellow,
    milk: white, broccoli: green, strawberry: red, spinach: green, ketchup: red, salt: white, soot: black, tar:
    black, egg yolk: yellow, cucumber: green, cherry: red, raven: black, rice: white, lettuce: green, ruby: red,
    emerald: green, sapphire: blue, clear sky: blue, cotton: white, frog: green, canary: yellow, fire engine: red,
    swan: white, peas: green, sunflower: yellow, cloud: white, ink: black, crow: black, flour: white, lime: green,
    kale: green, mustard: yellow, ocean: blue, blueberry: blue, jeans: blue, polar bear: white, panther: black""")
#: Subjects and predicates that can be combined freely.
LANGUAGES = {
    "English": (
        words("the house, my brother, a small dog, our teacher, the train, this book, the old man, her garden"),
        words("""is very big, is not here, works today, is in the kitchen, was late again, comes tomorrow,
            sleeps a lot"""),
    ),
    "French": (
        words("""la maison, mon frère, un petit chien, notre professeur, le train, ce livre, le vieil homme,
            son jardin"""),
        words("""est formidable, n'est pas ici, travaille aujourd'hui, est dans la cuisine, était en retard,
            arrive demain, dort beaucoup"""),
    ),
    "Spanish": (
        words(
            "la casa, mi hermano, un perro pequeño, nuestro profesor, el tren, este libro, el viejo señor, su jardín"
        ),
        words("""es importante, no está aquí, trabaja hoy, está en la cocina, llegó tarde otra vez, viene mañana,
            duerme mucho"""),
    ),
    "German": (
        words("das Haus, mein Bruder, ein kleiner Hund, unser Lehrer, der Zug, dieses Buch, der alte Mann, ihr Garten"),
        words("""ist sehr groß, ist nicht hier, arbeitet heute, ist in der Küche, war wieder zu spät, kommt morgen,
            schläft viel"""),
    ),
}

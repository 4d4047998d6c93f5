"""Texts to be sorted by what they are about: sentences of many topics, words of many kinds, and reviews by grade."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from t2l.procedural import fillers, knowledge
from t2l.procedural.knowledge import words
from t2l.procedural.parts import Sample, Source
from t2l.procedural.prose import capital


@dataclass(frozen=True)
class Topic:
    """One class of texts.

    Attributes:
        names: label words that say what it is, all good for the same class.
        readers: label words for whom it is written; none if the class has no reader of its own.
        draw: a text of the class.
    """

    names: tuple[str, ...]
    readers: tuple[str, ...]
    draw: Callable[[Random], str]


#: Names, readers, subjects and predicates (in any combination) of a topic.
_SENTENCES = (
    ("sport, sports, athletics", "athlete, coach, football fan",
     "the striker, the goalkeeper, the home team, the tennis champion, the swimmer, the relay squad, the young boxer",
     """won the final on penalties, set a new record over 200 metres, lost the semi-final, scored in the last minute,
        was injured during training, qualified for the championship, celebrates the third medal of the season"""),
    ("business, economy, finance, business and finance", "banker, manager, investor",
     "the bank, the car maker, the retail chain, the insurer, the start-up, the airline's parent company, the brewery",
     """reported higher profits for the quarter, cut its sales forecast, is taken over by a rival, raised its dividend,
        sees its shares fall by 8 percent, lays off 300 employees, issues bonds to pay its debts"""),
    ("politics, government, politics and elections, public affairs", "politician, voter, minister",
     """the prime minister, the opposition, the senate, the governor, the coalition, the mayor's party,
        the foreign minister""",
     """survived a vote of confidence, rejects the new tax law, promises reforms before the election,
        signed the treaty, calls for a referendum, lost the majority in parliament,
        debates the budget until midnight"""),
    ("science, research, science and research", "scientist, researcher, physicist",
     """a team of physicists, the laboratory, the telescope, the biologists, a new study, the chemists,
        the research station""",
     """discovered an unknown particle, measured the distance of a galaxy, explains how cells repair themselves,
        published results on quantum effects, found traces of water on a moon, tested a theory of gravity,
        decoded the genome of a fungus"""),
    ("technology, tech, computers, computers and internet", "programmer, engineer, software developer",
     """the new operating system, the chip, the browser, the search engine, the smartphone, the cloud service,
        the open-source database""",
     """gets a security update, runs twice as fast as its predecessor, crashes after the latest patch,
        encrypts all messages, supports voice commands, was attacked by hackers, stores files on remote servers"""),
    ("health, medicine, health and medicine", "doctor, nurse, patient",
     "the vaccine, the hospital, the new therapy, the clinic, the drug, the surgeon, the blood test",
     """protects against the flu, helps patients with high blood pressure, treats asthma in children,
        reduces the risk of a stroke, has few side effects, detects diabetes early, relieves pain in the knee"""),
    ("food, cooking, food and drink, recipes", "cook, baker, restaurant owner",
     "the soup, the dough, the roast, the salad dressing, the pasta sauce, the apple pie, the curry",
     """needs a pinch of salt and fresh basil, simmers for twenty minutes, tastes best with garlic bread,
        is baked with butter and cinnamon, is served with roasted potatoes, should rest before it goes into the oven,
        goes well with cheese and a glass of wine"""),
    ("travel, tourism, travel and holidays", "tourist, traveller, tour guide",
     "the island, the old harbour, the beach resort, the mountain lodge, the city tour, the cruise, the campsite",
     """attracts visitors from all over the world, is best seen in spring, offers rooms with a view of the bay,
        is fully booked for the holidays, can be reached by a scenic railway, belongs in every guidebook,
        includes breakfast and a trip to the castle"""),
    ("weather, weather report, forecast", "meteorologist, sailor, farmer",
     "the storm, the cold front, the heavy rain, the heat wave, the thick fog, the first snow, the west wind",
     """will reach the coast by evening, brings temperatures below zero, moves north during the night,
        is expected until Thursday, causes icy roads, clears up after noon, turns into drizzle"""),
    ("music, concerts, music and concerts", "musician, singer, concert-goer",
     "the orchestra, the band, the choir, the pianist, the new album, the opera singer, the jazz trio",
     """played two encores, goes on tour in autumn, tops the charts, recorded songs in an old studio,
        performed a symphony, released a single, fills the concert hall with melodies"""),
    ("film, movies, cinema, film and television", "film fan, actor, director",
     "the director, the leading actress, the sequel, the documentary, the thriller, the TV series, the screenplay",
     """won an award at the festival, opens in cinemas on Friday, was shot in the desert, disappoints at the box office,
        gets a second season, is praised for its camera work, surprises the audience with its ending"""),
    ("education, school, schools and universities", "teacher, student, headmaster",
     "the school, the university, the maths class, the maths teacher, the kindergarten, the exam board, the college",
     """starts the term with smaller classes, offers a course in statistics, introduces homework in tablets,
        prepares for the final exams, awards scholarships, is short of classrooms,
        teaches reading with picture books"""),
    ("crime, police, crime and courts, justice", "police officer, judge, lawyer",
     "the burglar, the suspect, the jury, the detective, the gang, the defendant, the prosecutor",
     """was arrested near the station, pleaded guilty of fraud, was sentenced to five years in prison,
        questioned a witness, stole jewels from a safe, denies the robbery, found fingerprints on the weapon"""),
    ("nature, wildlife, animals and nature", "biologist, birdwatcher, ranger",
     "the wolf pack, the stork, the beaver, a rare orchid, the coral reef, the young seal, the oak forest",
     """returns to the valley, is threatened by drought, lives in the wetlands, recovers in the national park,
        was spotted by rangers, hibernates until March, needs clean rivers and quiet banks"""),
    ("transport, traffic, roads and railways", "driver, commuter, cyclist",
     "the tram line, the motorway, the night train, the bridge, the bus lane, the tunnel, the roundabout",
     """is closed for repairs, causes long queues at rush hour, gets a new timetable,
        connects the suburbs with the centre, was delayed by a signal failure,
        carries a million passengers a month, will be widened to four lanes"""),
    ("housing, real estate, property", "landlord, tenant, home buyer",
     "the flat, the semi-detached house, the block of flats, the estate agent, the villa, the studio, the tenement",
     """has three bedrooms and a balcony, is for sale at a lower price, was rented within a day,
        comes with a garage and a cellar, needs a new roof, asks for a deposit of two months' rent,
        lies in a quiet street with good neighbours"""),
    ("fashion, clothing, style and fashion", "tailor, fashion designer, model",
     "the designer, the summer collection, the wool coat, the silk dress, the fashion show, the boutique, the sneaker",
     """brings back bright stripes, is made of linen and lace, matches a leather belt, sets the trend for the season,
        comes in five colours and all sizes, was shown on the catwalk, combines elegance with wide sleeves"""),
    ("history, archaeology, ancient history", "historian, archaeologist, museum visitor",
     "the emperor, the Roman villa, the old manuscript, the pharaoh, the Viking ship, the treaty of 1648, the tomb",
     """was unearthed by archaeologists, dates from the second century, tells of a forgotten kingdom,
        ended a war of thirty years, is kept in a museum, was copied by monks, lay buried for a thousand years"""),
    ("gardening, plants, garden and plants", "gardener, florist, allotment holder",
     "the rose bush, the vegetable bed, the hedge, the compost, the lawn, the tomato seedling, the tulip bulb",
     """should be pruned in March, needs plenty of water, is planted in loose soil, grows best in half shade,
        suffers from slugs, must be protected from frost, flowers until October"""),
    ("religion, faith, church", "priest, believer, monk",
     "the bishop, the congregation, the pilgrim, the rabbi, the monastery, the mosque, the Easter service",
     """prayed for the sick, opens its doors for the feast, preached about forgiveness, is reading from the scriptures,
        sang hymns at dawn, blessed the new chapel, fasts until sunset"""),
    ("war, military, armed forces, war and peace", "soldier, general, diplomat",
     "the army, the rebels, the navy, the peacekeepers, the border troops, the battalion, the fighter jets",
     """agreed to a ceasefire, shelled the town at night, was driven back from the front, attacked a convoy,
        guarded the border, was ambushed in the hills, occupied the airport after heavy fighting"""),
    ("books, literature, books and authors", "librarian, novelist, bookseller",
     "the novelist, the poem, the publisher, the crime novel, the short story, the biography, the translator",
     """is on the bestseller list, tells of a childhood by the sea, was translated into ten languages,
        appears as a paperback, won a prize for the best debut, has a new chapter,
        ends with a surprising letter"""),
    ("energy, electricity, power and energy", "electrician, power engineer, energy adviser",
     "the wind farm, the power station, the solar roof, the gas pipeline, the grid operator, the dam, the oil field",
     """supplies a whole city with electricity, is shut down for maintenance, feeds power into the grid,
        produces fewer megawatts than planned, stores energy for the night, cuts the use of coal, runs on biomass"""),
)  # fmt: skip

#: Names and members of a kind of word.
_KINDS = (
    ("animal, animals, creature", ", ".join(knowledge.CATEGORIES["animal"])),
    ("fruit, fruits", ", ".join(knowledge.CATEGORIES["fruit"])),
    ("tool, tools", ", ".join(knowledge.CATEGORIES["tool"])),
    ("colour, colours, color", ", ".join(knowledge.CATEGORIES["colour"])),
    ("vehicle, vehicles, means of transport", ", ".join(knowledge.CATEGORIES["vehicle"])),
    ("garment, clothes, clothing", ", ".join(knowledge.CATEGORIES["garment"])),
    ("instrument, musical instrument", ", ".join(knowledge.CATEGORIES["instrument"])),
    ("profession, job, occupation", ", ".join(fillers.JOBS)),
    ("city, cities", ", ".join(fillers.CITIES)),
    ("first name, person", ", ".join(fillers.FIRST_NAMES)),
    ("material, materials", ", ".join(fillers.MATERIALS)),
    ("weekday, day of the week", ", ".join(fillers.WEEKDAYS)),
    ("month, months", ", ".join(fillers.MONTHS)),
    ("number, numbers", ", ".join((*fillers.NUMBER_WORDS, *fillers.TENS[2:]))),
    ("furniture, piece of furniture", """table, chair, sofa, wardrobe, bookshelf, desk, stool, armchair, cupboard, bed,
        bench, dresser, sideboard, bunk bed, nightstand"""),
    ("drink, drinks, beverage", """water, tea, coffee, milk, lemonade, beer, wine, cocoa, juice, cider, whisky, soda,
        smoothie, espresso, champagne"""),
    ("vegetable, vegetables", """carrot, onion, potato, cabbage, spinach, leek, pumpkin, cucumber, broccoli, celery,
        radish, aubergine, courgette, turnip, asparagus"""),
    ("body part, part of the body", """arm, leg, knee, elbow, shoulder, nose, ear, finger, toe, neck, chin, wrist,
        ankle, forehead, thumb, hip"""),
    ("sport, sports", """football, tennis, rugby, hockey, swimming, rowing, cricket, golf, volleyball, fencing,
        badminton, gymnastics, judo, skiing, archery"""),
    ("emotion, feeling", """joy, anger, fear, sadness, envy, pride, shame, hope, disgust, surprise, grief, jealousy,
        delight, anxiety, gratitude"""),
)  # fmt: skip

_GRADED = words("""terrible awful horrible dreadful, poor disappointing weak mediocre, okay average acceptable passable,
    good pleasant nice solid, excellent superb fantastic perfect""")
_GRADE_VERDICTS = (
    words("never again, the worst I have seen, I want my money back, avoid it at all costs"),
    words("I expected more, too many flaws, I would rather not return, not worth the price"),
    words("nothing special, it does its job, neither good nor bad, it was all right"),
    words("I would come again, only small flaws, I liked it, better than most"),
    words("I am thrilled, best ever, could not be better, I recommend it to everybody"),
)
_GRADED_THINGS = words("""restaurant: food: service: table,
    phone: battery: screen: camera, hotel: room: breakfast: pool,
    film: plot: acting: music, barber: haircut: advice: waiting time, museum: exhibition: guide: café,
    app: design: search: support, dentist: treatment: staff: reception, gym: equipment: trainer: showers,
    garage: repair: staff: price, book: story: style: ending, bakery: bread: cakes: coffee""")
_OPENINGS = ("", "", "", "{d}: ", "{c}: ", "News from {c}: ", "According to {n}, ", "{n} writes: ", "On {d}, ")


def _sentence(rng: Random, subjects: Sequence[str], predicates: Sequence[str]) -> str:
    """One or two sentences, or a headline."""
    opening = rng.choice(_OPENINGS).format(
        d=rng.choice(fillers.WEEKDAYS), c=rng.choice(fillers.CITIES), n=rng.choice(fillers.LAST_NAMES)
    )
    (one, two), (first, second) = rng.sample(subjects, 2), rng.sample(predicates, 2)
    text = capital(f"{opening}{one} {first}")
    return text if rng.random() < 0.2 else f"{text}." + (f" {capital(two)} {second}." if rng.random() < 0.5 else "")


def _topic(names: str, readers: str, subjects: str, predicates: str) -> Topic:
    parts = words(subjects), words(predicates)
    return Topic(words(names), words(readers), lambda rng: _sentence(rng, *parts))


def _kind(names: str, members: str) -> Topic:
    entries = words(members)
    return Topic(words(names), (), lambda rng: rng.choice(entries))


#: What sentences are about, and what words name.
TOPICS = tuple(_topic(*row) for row in _SENTENCES)
KINDS = tuple(_kind(*row) for row in _KINDS)


def _graded_review(rng: Random) -> Sample:
    grade = rng.randrange(5)
    thing, *aspects = rng.choice(_GRADED_THINGS).split(": ")
    one, two = rng.sample(aspects, 2)
    adjectives = rng.sample(_GRADED[grade].split(), 2)
    verdict = rng.choice(_GRADE_VERDICTS[grade])
    verb = "were" if one.endswith("s") else "was"
    text = rng.choice(
        (
            f"The {one} {verb} {adjectives[0]}, {verdict}.",
            f"{capital(verdict)}. About the {thing}: {adjectives[0]} {one}.",
            f"My visit to the {thing}: {adjectives[0]} {one}, {adjectives[1]} {two}. {capital(verdict)}!",
            f"{capital(adjectives[0])} {thing}; {verdict}.",
            f"{capital(adjectives[0])} {one} and {adjectives[1]} {two}. {rng.choice(fillers.FIRST_NAMES)} agrees.",
        )
    )
    return Sample(text, grade)


#: Reviews with a grade from 0 to 4.
GRADED_REVIEW = Source("graded_review", "review", _graded_review)
#: Label words of the grades, the worst first.
GRADE_LABELS = (
    "1/2/3/4/5", "one/two/three/four/five", "terrible/poor/average/good/excellent",
    "1 point/2 points/3 points/4 points/5 points", "very bad/bad/okay/good/very good", "E/D/C/B/A",
    "awful/weak/fair/fine/great", "grade 1/grade 2/grade 3/grade 4/grade 5", "F/D/C/B/A",
    "very negative/negative/neutral/positive/very positive", "lowest/low/medium/high/highest", "--/-/0/+/++",
)  # fmt: skip

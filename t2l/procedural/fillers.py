"""Words that fill the composed inputs."""

from t2l.procedural.knowledge import words

FIRST_NAMES = words("""Ada, Ben, Clara, David, Elena, Felix, Grace, Hugo, Iris, Jonas, Karin, Leo, Maria, Nina, Oscar,
    Paula, Quentin, Rosa, Samuel, Tara, Ursula, Victor, Wanda, Yusuf, Zoe, Amir, Bella, Carlos, Diana, Emil""")
LAST_NAMES = words("""Quill, Baker, Novak, Silva, Meyer, Rossi, Tanaka, Haddad, Larsen, Moreau, Okafor, Petrov, Garcia,
    Lindqvist, Murphy, Costa, Fischer, Dubois, Ivanov, Walsh, Young, Ahmed, Kowalski, Jensen""")
CITIES = words("""Lyon, Porto, Bergen, Krakow, Turin, Leeds, Ghent, Bremen, Malaga, Basel, Graz, Odense, Tampere, Kyoto,
    Austin, Denver, Boston, Quebec, Cusco, Dakar, Nairobi, Hanoi, Pune, Izmir, Sydney, Perth, Oslo, Vienna""")
JOBS = words("""baker, nurse, teacher, pilot, plumber, lawyer, farmer, chef, carpenter, dentist, painter, engineer,
    librarian, driver, tailor, gardener, journalist, chemist, barber, electrician""")
COMMON_WORDS = words("""river, stone, cloud, window, garden, paper, silver, table, music, bridge, candle, forest,
    winter, market, pencil, island, hammer, orange, valley, mirror, ticket, basket, engine, butter, letter,
    summer, desert, school, button, tunnel, rocket, lake, tree, moon, road, wall, door, lamp, ship, rain, bird,
    fire, gold, salt, wind, clock, chair, plate, bread, field, beach, storm, uncle, voice, apple, knife, elephant,
    mountain, umbrella, notebook, kitchen, yellow, ocean, academy, eagle, insect, ivory, oven, acorn, echo, quilt,
    jar, nest, key, vase, zebra""")
GROCERIES = words("""milk, eggs, bread, butter, rice, onions, carrots, cheese, coffee, tea, sugar, flour, salt, honey,
    pasta, apples, bananas, yogurt, olives, beans, tomatoes, garlic, soap, candles, lemons, mushrooms, oats, vinegar""")
TAGS = words("""news, sport, music, travel, food, health, art, science, history, games, nature, books, film, money""")
COLOURS = words("""red, blue, green, yellow, purple, pink, brown, black, white, grey, orange, violet, beige, gold""")
PRODUCTS = words("""lamp, kettle, backpack, blender, headset, desk, jacket, toaster, camera, printer, watch, tent, mug,
    keyboard, sofa, bicycle, mattress, router, speaker, umbrella""")
MATERIALS = words("steel, oak, cotton, glass, leather, plastic, wool, copper, paper, rubber, ceramic, bamboo")
WEEKDAYS = words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
MONTHS = words("""January, February, March, April, May, June, July, August, September, October, November, December""")
EVENTS = words("""dentist, piano lesson, team meeting, yoga class, job interview, book club, haircut, football match,
    parents' evening, car inspection, concert, birthday party, language course, staff lunch, garden tour""")
DOMAINS = words("mail.com, post.org, example.net, lyon.fr, acme.io, school.edu, shop.de, gov.uk, studio.tv, bank.co")
ADJECTIVES = words(
    """old, quiet, bright, tall, lonely, hungry, clever, young, tired, brave, gentle, busy, careful, proud"""
)
TEAMS = words("""Lions, Tigers, Reds, Blues, Rovers, United, Eagles, Sharks, Wolves, Rangers, Comets, Hawks, Bears,
    Giants, Pirates, Kings""")
TITLE_WORDS = words("""the, silent, river, of, golden, house, last, summer, winter, road, to, secret, garden, night,
    city, lost, letter, broken, clock, red, mountain, first, train, little, ocean, hidden, and, moon, star, island""")
FILE_NAMES = words("report, invoice, photo, notes, budget, letter, backup, menu, song, slides, contract, readme, plan")
EXTENSIONS = words("pdf, txt, docx, png, jpg, csv, mp3, zip, html, xlsx, py, json")
NUMBER_WORDS = words("""zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen,
    fourteen, fifteen, sixteen, seventeen, eighteen, nineteen""")
TENS = words("zero, ten, twenty, thirty, forty, fifty, sixty, seventy, eighty, ninety")


def number_word(number: int) -> str:
    """The English word for a number from 0 to 99."""
    if number < 20:
        return NUMBER_WORDS[number]
    tens, ones = divmod(number, 10)
    return f"{TENS[tens]}-{NUMBER_WORDS[ones]}" if ones else TENS[tens]

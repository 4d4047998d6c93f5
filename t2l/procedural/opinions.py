"""Short opinions, glad or not, on things of all sorts: a few words to two sentences."""

from random import Random

from t2l.procedural.knowledge import words
from t2l.procedural.parts import Sample, Source
from t2l.procedural.prose import capital

_THINGS = words("""teapot, toaster, vacuum cleaner, mattress, backpack, phone, charger, headphones case, lamp,
    drill, tent, sleeping bag, stroller, car seat, puzzle, board game, doll, novel, cookbook, album, DVD, film,
    series, app, printer, keyboard, router, monitor, jacket, dress, pair of jeans, raincoat, watch, necklace,
    perfume, shampoo, face cream, razor, coffee machine, frying pan, knife set, blender, hotel room, restaurant,
    pizza, café, taxi ride, train trip, guided tour, museum, concert, course, lesson, haircut, massage, delivery,
    support team, website, update, game, camera, tripod, bicycle, helmet, garden hose, lawn mower, dog bed, cat
    toy, fish tank, bookshelf, desk""")
_GLAD = words("""does its job beautifully, arrived a day early, is exactly what I needed, still runs like new
    after two years, makes my mornings easier, looks even better than in the picture, is worth every penny, was a
    lovely surprise, is sturdy and well made, is so easy to use, fits like a glove, keeps the children busy for
    hours, has saved me hours, is the best I have owned, exceeded my expectations, is silent and quick, made my
    mother smile, is a real bargain, charges within minutes, does everything it promises, is comfortable all day,
    never lets me down, tastes wonderful, was clean and cosy, had me laughing out loud, kept me up all night
    reading, is gorgeous, is light and strong, was friendly and quick, warms up fast, is a joy, gets better every
    time, solved my problem at once, cleans really well, is just right, lasts for weeks, was the highlight of our
    week""")
_SORRY = words("""snapped in the first week, never arrived, is nothing like the picture, stopped working within a
    week, gave me a headache, fell apart in the wash, is far too small, leaks everywhere, was a complete disaster,
    is cheaply made, is impossible to set up, does not fit at all, bored the children after a minute, has cost me
    hours, is the worst I have owned, was a big letdown, is loud and slow, made my skin itch, is overpriced, never
    holds its charge, does nothing it promises, hurts after ten minutes, let me down again, tastes like cardboard,
    was dirty and cold, put me to sleep, shrank in the dryer, is ugly, is heavy and wobbly, was rude and slow,
    smells of plastic, is a nightmare, gets worse with every update, came with parts missing, overheats all the
    time, scratches easily, jams every time, ruined our evening, went straight back to the shop""")
_GLAD_ENDINGS = words("""adore it, highly recommended, five stars, I would buy it again, so happy with it, perfect
    gift, could not ask for more, thank you, a steal at this price, what a find, my whole family loves it,
    brilliant, ten out of ten, I use it every day, well done, cannot live without it, buy it, no complaints at
    all, a pleasure, amazing""")
_SORRY_ENDINGS = words("""hate it, do not buy, zero stars, I want a refund, so angry, money down the drain, stay
    away, never again, very disappointed, what a shame, they hung up on me, useless, I threw it out, I sent it
    back, total rubbish, save your money, I regret it, buyer beware, not recommended, awful""")
_OWNERS = ("the", "this", "my", "our", "my new", "the little", "the second", "that")
_SETTINGS = words("""I bought it for my sister, got it on Monday, ordered two weeks ago, second one this year, it
    was a present, we took it on holiday, had it for a month now, paid full price, found it on sale""")


def _opinion(rng: Random) -> Sample:
    glad = rng.random() < 0.5
    facts, endings = (_GLAD, _GLAD_ENDINGS) if glad else (_SORRY, _SORRY_ENDINGS)
    fact = f"{rng.choice(_OWNERS)} {rng.choice(_THINGS)} {rng.choice(facts)}"
    ending, setting = capital(rng.choice(endings)), capital(rng.choice(_SETTINGS))
    text = rng.choice(
        (
            f"{capital(fact)}.",
            f"{capital(fact)}. {ending}!",
            f"{ending}. {capital(fact)}.",
            f"{ending}, it {rng.choice(facts)}.",
            f"{setting}. It {rng.choice(facts)}.",
            f"{setting}, and {fact}. {ending}.",
            f"It {rng.choice(facts)} and {rng.choice(facts)}.",
            f"{ending}!",
        )
    )
    return Sample(text, int(glad))


#: Opinions; the value is 1 if the writer is glad and 0 if not.
OPINION = Source("opinion", "review", _opinion)

"""Word lists, each in two disjoint halves: one for training, one for validation.

A validation score means something only when the names and wordings were never trained on, so `Split`
refuses a word that stands on both sides. In the text form below `||` separates train from validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SplitName = Literal["train", "validation"]


@dataclass(frozen=True)
class Split:
    """Two disjoint tuples of strings, one a split."""

    train: tuple[str, ...]
    validation: tuple[str, ...]

    def __post_init__(self) -> None:
        both = {word.lower() for word in self.train} & {word.lower() for word in self.validation}
        if both:
            raise ValueError(f"in both splits: {sorted(both)}")

    def of(self, split: SplitName) -> tuple[str, ...]:
        """The strings of one split; ValueError for an unknown split."""
        if split not in ("train", "validation"):
            raise ValueError(f"split must be 'train' or 'validation', not {split!r}")
        return self.train if split == "train" else self.validation


def phrases(text: str, separator: str = ";") -> Split:
    """Parses 'a; b || c; d': phrases for training before the bars, for validation after them."""
    train, _, validation = text.partition("||")
    return Split(_parts(train, separator), _parts(validation, separator))


def words(text: str) -> Split:
    """Parses 'a b c || d e': like `phrases`, for single words."""
    train, _, validation = text.partition("||")
    return Split(tuple(train.split()), tuple(validation.split()))


def _parts(text: str, separator: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split(separator) if part.strip())


FIRST_NAMES = words("""
    Anna Ben Carla David Elena Frank Grace Henry Irene James Karen Leo Maria Nathan Olivia Peter Quinn Rosa Simon
    Tara Victor Wendy Yusuf Zoe Amir Bianca Carlos Daria Emil Fatima George Hanna Ivan Julia Kofi Laura Marco Nina
    Omar Paula Ravi Sofia Thomas Uma Vera Walter Ximena Yara Aaron Bella Chen Diego Erik Freya Gita Hugo Imani Jonas
    Keiko Lars Mina Niko Oscar Priya Ruth Samir Tessa Viola Wei Adele Bruno Cora Dennis Edith Felix Gloria Hector
    || Alice Boris Claire Dylan Esther Farid Gwen Hassan Ingrid Jorge Kiran Lucia Milo Nadia Otto Petra Rafael Sara
    Tomas Ursula Vince Willa Yannick Zara Arthur Brenda Colin Dora Elias Fiona""")
SURNAME_STARTS = words("""
    Ash Beck Carl Dun Ell Fair Gar Har Kel Lang Mar Nor Or Pem Ros Sand Tor Wal Whit Bran Craw Dal Hol Lin Stan Hart
    || Ack Bur Cal Den Ever Fen Gil Hux Jes Lock Mor Rad Thorn Yard""")
SURNAME_ENDS = words("""
    ton field ley man wood berg well more son ford ham dale worth sen ridge low er den by stone
    || brook croft gate kin mann shaw sley ster ward wick""")
SURNAMES = words("""
    Adams Baker Chavez Diaz Evans Fischer Gomez Hughes Ibrahim Jensen Khan Lopez Miller Nguyen Okafor Patel Quist
    Rossi Silva Tanaka Usman Vargas Weber Xu Young Zhang Moreau Novak Petrov Singh Costa Dubois Haddad Ito Kim Larsen
    || Abbott Bianchi Cohen Duarte Eriksen Ferrari Garcia Hoffman Ivanov Joshi Kowalski Lund Mensah Nakamura Olsen Park
    Reyes Schmidt Torres Yilmaz""")
PLACE_STARTS = words("""
    Bren Cor Dal Elm Fal Glen Hart Iron Kings Lake Mill Nor Oak Pine Red Silver Stone Sun West Win Amber Bright Clear
    Deep East Fox Green High Long North River Rose Salt Wolf Maple Raven
    || Ald Birch Cedar Drum Ever Frost Gold Hazel Kirk Quill Moor Otter Pear South Swan Thorn Elder Bay""")
PLACE_ENDS = words("""
    ford vale ton mouth bury haven port wick brook field dale bridge view crest cliff bay side march stead well
    || by combe gate ham hurst land more pool shire thorpe worth""")
COMPANY_STARTS = words("""
    Vel Nor Tri Sol Arc Lum Zen Qua Hel Opt Fin Mer Cy Tel Ver Bol Dex Kor Pra Rho Syn Tav Om Ax
    || Al Bre Cas Dro Eve Gal Hy Jun Lo Mav Nex Pol""")
COMPANY_ENDS = words("""
    ora dyne tex via nova max ique era ona ium ard eon isto ander ella onix
    || agen ibra olis umo yra etta iron ovan""")
COMPANY_KINDS = words("""
    Foods Logistics Systems Partners Energy Motors Textiles Labs Media Trading Farms Press Stores Supply
    || Group Works Brothers Industries Markets Holdings Imports""")
GOODS_ADJECTIVES = words("""
    amber blue compact copper crimson deluxe electric folding green heavy ivory large mini oak portable quiet red
    round silver slim small steel striped tall travel white wooden black bamboo ceramic cordless
    || brass classic coral curved giant glass grey leather navy narrow plain square tin velvet wide yellow""")
GOODS_NOUNS = words("""
    kettle lamp toaster backpack bicycle blanket blender bucket camera candle chair clock desk drill fan grill hammer
    helmet jacket ladder mirror mug notebook oven pillow radio rug scale shelf sofa table tent umbrella vase wallet
    || armchair basket bench broom cooker cushion door-mat easel freezer guitar hammock iron jug kite mattress
    projector saucepan scooter speaker stool suitcase teapot tray whistle""")
FOOD_ADJECTIVES = words("""
    almond apple banana barley cherry coconut dark dried fresh frozen garlic ginger goat lemon mango mint oat
    organic peach pumpkin rice roasted rye salted smoked spicy sweet tomato vanilla walnut wild
    || apricot buckwheat chilled cranberry fig herbal hazelnut lime mild mushroom onion peanut pickled plum raw
    sesame soy toasted truffle whole""")
FOOD_NOUNS = words("""
    bread butter cake cheese chutney coffee cream flour granola honey jam juice milk muesli paste pudding salad sauce
    soup spread sugar syrup tea water || biscuit cereal cordial crumble dressing ice-cream jelly ketchup lemonade
    marinade mustard noodle-soup oil pasta relish salsa vinegar yoghurt""")
PROJECT_NAMES = words("""
    Atlas Beacon Cobalt Delta Ember Falcon Granite Harbor Indigo Jupiter Lantern Magnet Nimbus Orchid Pioneer Quartz
    Raptor Saturn Tundra Umbra Vertex Willow Zephyr Comet Anchor Breeze Cascade Domino Eclipse Fountain Glacier Hornet
    || Aurora Bison Compass Dragon Echo Fjord Galaxy Horizon Iris Jasmine Kraken Lotus Meteor Nectar Opal Prism
    Summit Titan Velvet""")
TEAM_NAMES = words("""
    platform payments search design security mobile data support research hardware billing training quality web
    delivery packaging night finance legal sales printing welding
    || analytics catering cloud field imaging graphics onboarding pricing safety storage testing video""")
DEVICE_LETTERS = words("AX BT CM DR EX FK GL HV KX LT MX NR || PS QZ RV SW TX UV WB YD ZL")
DEVICE_NOUNS = words("""
    printer router scanner thermostat drone camera pump heater vacuum sensor dishwasher generator sander tracker
    monitor charger humidifier keyboard turntable compressor
    || chainsaw dehumidifier doorbell fryer hairdryer laminator microscope mower projector smartwatch tablet welder""")
LANDMARKS = words("""
    Bridge Museum Library Lighthouse Tower Theatre Hall Castle Mill Fort
    || Aquarium Cathedral Dam Gallery Observatory Palace Windmill""")
ANIMAL_NAMES = words("""
    Rolo Pepper Luna Rocky Nala Ziggy Mango Shadow Poppy Bruno Olive Tango Maple Dusty Coco Rufus Pixel Misty Bandit
    Clover || Archie Bubbles Cosmo Duchess Fudge Hazel Jasper Kiki Mochi Noodle Sprout Sable Toffee Waffles""")
DEPARTMENTS = words("""
    payroll admissions parking housing records maintenance tourism library recycling licensing passport visitor
    permits scholarship || accounts archive careers customs fisheries grants laundry planning transport volunteer""")
WORKSHOP_TOPICS = words("""
    pottery painting baking chess yoga gardening sewing carpentry juggling knitting
    || origami calligraphy fencing beekeeping weaving robotics astronomy drumming mosaic glassblowing cheese-making
    woodcarving photography singing""")
WORKSHOP_KINDS = words("class course lesson || workshop seminar session club evening camp masterclass")
SAMPLE_NOUNS = words("""
    soil water rock seed || serum pollen plasma moss enzyme resin lichen sediment spore yeast algae tissue""")

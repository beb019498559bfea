# ruff: noqa: E501 — a rule is one line
"""Rules for the names of sources deb-supertuxkart to vctk-p225: the notation is that of label_rules.py."""

from __future__ import annotations

RULES: dict[str, str] = {
    "deb-supertuxkart": """
scream -> scream: a man screaming
jet -> airplane
anvil|hammer -> hammering
bounce -> ball bounce: a ball bouncing; a bouncing ball
boing|jump -> boing: a comic boing; a bouncing spring
bowling -> rolling ball: a bowling ball rolling
explo -> explosion
car |engine|nitro -> engine: a racing engine
clock -> clock tick
crash|break -> crash: a crash; things breaking
birds -> chirping birds: exotic birds in a jungle
fireworks -> fireworks
flute -> flute: a flute playing
^horn$ -> car horn
inflate -> air hiss: inflating a balloon; air being pumped
fanfare|race|^gp|intro|goal|victory -> music: a musical fanfare
restaurant -> coffee shop: people talking in a restaurant
machine -> machinery: a machine running
metal clang|strike -> metal impact: a metal clang
plopp|bubble|goo -> bubbles: a plop; a bubble popping
river|waterfall -> river
airport pa -> woman speaking: an announcement over loudspeakers at an airport
shoot -> gunshot
skid -> car skid: tires screeching; a skidding car
splash -> splash
static -> radio: radio static
thunder -> thunderstorm
wooden bridge -> wood impact: rattling wooden planks
""",
    "deb-torcs": """
crash|boom -> crash: a car crash; a metallic crash
skid metal -> metal impact: metal scraping
skid -> car skid: tires screeching; a skidding car
road ride|out of road -> car on a road: tires rolling on a road; a car driving on gravel
gear change|axle -> gear shift: shifting gears in a car
backfire -> gunshot: an engine backfiring
^$ -> -
. -> engine: a racing car engine; a sports car engine revving
""",
    "deb-tuxpaint": """
^(hen|duck|frog|cow|pig|sheep|dog|rooster|owl|bee|goat|lion|horse|donkey|elephant|crow)$ -> =
^chimp|gorilla -> monkey: a monkey calling; an ape hooting
seagull|penguin|quetzal|tucan|turkey|vulture|heron|gander|lark|blackbird|cuckoo -> =: a {} calling; a bird calling; the call of a {}
^drake$ -> duck
grasshopper -> crickets
hornet|mosquito -> insects: a {} buzzing
dolphin|orca|whale|sea lion -> =: a {} calling; a sea animal calling
lamb -> sheep
pig golden -> pig
badger|bear|bison|bull|mountaingoat|camel|dromedary|tiger|caribou|deer|doe|fox|zebra|ferret|hippopotamus|beaver|squirrel|koala|rabbit|^ram$ -> =: a {}; the call of a {}; an animal calling
camera -> camera: a camera shutter
cymbal -> drum cymbal
tomtom -> drum tom
drumkit -> drums
^(cello|bassoon)$ -> =: a {} playing
violin -> violin
washing machine -> washing machine
scissors -> scissors: scissors snipping; cutting with scissors
^(bottle|glass)$ -> glass: a clink of glass
kettle -> kettle: a kettle whistling
rubberduck -> squeaky toy: a squeaky rubber duck
toilet -> toilet flush
^saw$ -> hand saw
vacuum -> vacuum cleaner
lightning -> thunderstorm
fireworks -> fireworks
firetruck -> siren: a fire truck siren
blackcat -> cat
rocket|apollo -> rocket launch
""",
    "deb-unknown-horizons": """
build|stonemason -> hammering: building work
click -> click
flippage -> page turning: turning a page
lumberjack -> woodcutting
main square|tavern -> crowd: people talking in a crowd
sheep -> sheep
ships bell -> bell: a ship's bell
smith -> hammering: a blacksmith hammering
windmill -> wind: a windmill creaking in the wind
""",
    "deb-wesnoth": """
^birds|morning -> chirping birds
campfire -> crackling fire
^fire|flame|torch -> flame: a burst of flame; a whoosh of fire
^night -> summer night
^ship -> boat: a wooden ship creaking on the water
wardrums -> drums: war drums
^axe|hatchet|^sword|mace|flail|spear|knife|dart -> sword: a blow with a blade; a weapon strike
bat flap -> wings: flapping wings; a bat flying
bite|claws|pincers|tail -> bite: a monster biting; an animal attack
bow|sling|dragonstick miss -> arrow: a bow being shot; a projectile whistling through the air
cave in|rumble -> collapse: falling rocks; a rumbling rockfall
club|staff|mud|squishy|fist -> body hit: a dull blow; a club hitting
laugh -> laughing: a dwarf laughing
female (die|hit)|elf hit|mermaid -> woman in pain
(human|dwarf|mermen|lich).*(die|hit) -> man in pain
explosion|thunderstick|dragonstick -> gunshot: a blast; a gunpowder shot
fanfare|^horn -> horn
fuse -> fuse: a burning fuse; a hissing fuse
gunshot -> gunshot
gold -> coins: coins jingling
gryphon -> bird cry: a large bird shrieking; a shrieking creature
hiss|naga -> snake: a hissing creature; a snake hissing
canter -> hoofbeats
horse -> horse
lightning -> thunderstorm
magic|heal|petrified|slowed -> magic: a magic spell; a shimmering magical sound
open chest -> wood impact: opening a wooden chest
potion|poison|water blast|ink -> bubbles: bubbling liquid
skeleton -> bones: rattling bones
wail -> scream: a ghostly wail; wailing
wolf -> wolf: a wolf growling; a growling wolf
ogre|orc|troll|goblin|drake|yeti|tusker|ghoul|ugg -> roar
wose|entangle -> wood creaking: creaking wood; a tree creaking
zombie -> zombie: a zombie groaning
""",
    "deb-widelands": """
animals bird -> chirping birds
boar -> pig: a wild boar grunting
coyote|wolf -> wolf
crickets -> crickets
frog -> frog
moose|stag -> deer: a deer bellowing; a stag calling
stonecutt|stonemason|mortar|stonegrind -> hammering: chiselling stone; a stonecutter at work
saw -> hand saw
biginn|taverns|tavern -> crowd: people talking in a tavern
lobby|message -> -
weav|goldspin -> loom: a loom weaving; a creaking spinning wheel
bubble -> bubbles: bubbling liquid
donkey -> donkey
farm animal|ox$ -> cow
horse -> horse
scythe -> swish: a scythe cutting grass
sheep -> sheep
throw net -> splash: a net thrown into water
hammer|smith|construction -> hammering
furnace -> crackling fire: a roaring furnace
fizzle -> sizzle: hot metal hissing in water
ping -> metal impact: a ping of metal
mill turning -> machinery: a turning mill
falling tools -> metal impact: metal tools falling
sharpening -> grinding: sharpening a blade; a grinding stone
tree falling -> tree falling: a tree falling; wood cracking and crashing
woodcutting -> woodcutting
military -> signal: a horn signal
""",
    "donateacry": """
. -> crying baby
""",
    "fsdd": """
. -> man speaking: a man says a number; a man speaking a digit; a person speaking a digit; speech
""",
    "librosa-data": """
bird whistling -> chirping birds: a robin singing; a bird whistling
humpback -> whale: a humpback whale singing; a whale song
trumpet -> trumpet: a trumpet solo; a trumpet playing
piano solo|ragtime -> piano: solo piano music; a piano playing
hungarian -> orchestra: a string orchestra playing; classical music
/3436- -> speech: a person reading aloud
drum bass -> music: drum and bass music; electronic music
pibble|sweet waltz|vibe|tchaikovsky|fishin -> music: music playing
""",
    "scaper-clips": """
car_horn -> car horn
voice -> man speaking: a man shouting
street -> street
""",
    "vctk-p225": """
. -> woman speaking: a woman speaks a sentence; a woman talking; speech; a person speaking
""",
}

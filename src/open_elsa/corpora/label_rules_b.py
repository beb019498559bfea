# ruff: noqa: E501 — a rule is one line
"""Rules for the names of sources deb-gcompris to deb-sound-icons: the notation is that of label_rules.py."""

from __future__ import annotations

RULES: dict[str, str] = {
    "deb-gcompris": """
^$ -> -
door close -> door closing
door open -> door opening
lock -> lock: a lock clicking; a key in a lock
water fill|^water$ -> pouring water
bubble -> bubbles: bubbles; bubbling water
^cat$ -> cat
chickens -> hen
^(cow|duck|horse|owl|pig|sheep|helicopter|train)$ -> =
^train slowing -> train
^(dog|bark)$ -> dog
crash -> crash: a crash; things falling over
^eat$ -> eating: someone eating; chewing and crunching
(africa|america|australia|beethoven|ireland|italy|japan|mexico|middleeast|intro)$ -> music
flute -> flute: a flute playing
xylofon -> xylophone: a xylophone playing
guitar -> guitar
^piano$ -> piano
drum kit -> drums
cymbal -> drum cymbal
snare -> drum snare
^violin$ -> violin
^horn$ -> horn
^(accordion|banjo|bongo|castanets|cello|clarinet|harmonica|harp|maracas|organ|saxophone|tambourine|timpani|triangle|trombone|trumpet|tuba)$ -> =: {} music; a {} playing; someone playing the {}
knock -> door knock
applause -> clapping
gong -> gong: a gong being struck; a ringing gong
factory -> machinery: factory noise; machines running in a factory
fireball -> fireworks
frogs in pond -> frog: frogs croaking in a pond during a storm
heart beat -> heartbeat: a beating heart
object falling|^drop$ -> falling object: an object falling; something drops on the floor
rain in garden -> rain
^ring$ -> bell: a ringing bell
car engine|^car$ -> engine: a car engine
card flip|brush -> page turning: a card being flipped; a rustle of paper
pickaxe -> mining
money -> coins: coins jingling
icy walk -> footsteps: footsteps in snow
metal hit -> metal impact: something hitting metal
^arrow$ -> arrow
harbor -> harbor: a harbor with seagulls and water
^(dash|dot)$ -> beep: a morse code beep; an electronic beep
^click$ -> click: a click; a short click
""",
    "deb-hydrogen": """
(hhat|hihat|hi hat|openhat|hhclosed|hat) -> drum hi-hat
kick|bassdrum -> drum kick
crash|china|splash|ride|cymbal|paiste bell|^drum: rc$ -> drum cymbal
rim|stick|^drum: rs$ -> drum rim: a drum stick hitting the rim; a rimshot; a click of drum sticks
snare|sabmute|^drum: sd$ -> drum snare
tom|^drum: (ft|t)$ -> drum tom
tambourine -> tambourine: a tambourine; shaking a tambourine
agogo|cowbell|dununba bell -> cowbell: a cowbell; a metal bell being struck
bongo|cajon|djembe -> hand drum: a hand drum; someone hitting a hand drum
clave -> claves: wooden claves; two wooden sticks clicking
clap -> clapping: a hand clap
waterglass -> glass: tapping on a glass; a clinking glass
beats -> drums
""",
    "deb-lincity": """
blacksmith -> hammering: a blacksmith hammering
build|construction -> hammering: a construction site; building work
^click$ -> click
coal mine|ore mine -> mining: work in a mine
farm -> farm: a farm with animals; farmyard sounds
dirt track -> hoofbeats: a horse cart on a dirt track
fire station -> siren: a fire engine siren
^fire -> crackling fire
green|parkland plane -> chirping birds: birds in a park
harbor -> harbor: a harbor with seagulls and water
industry|power coal|substation|recycle|^mill -> machinery: machines running in a factory; industrial machinery
market (full|med|low) -> market: a busy market; a crowd in a market
lake|^water -> river: gentle water; water lapping
power line -> electric hum: an electric hum; the buzz of a power line
rail train -> train
raze|rocket explosion -> explosion: a demolition; a building collapsing
rocket -> rocket launch: a rocket taking off; a rocket launch
school -> children: children playing at school; a schoolyard
sports -> crowd: a crowd cheering; spectators at a sports match
trafic -> traffic
wind mill -> wind: a windmill turning in the wind
pottery -> -
tip -> -
""",
    "deb-megaglest": """
cow|bull -> cow
pig -> pig
chicken -> hen
sheep -> sheep
wolf -> wolf
^bee$ -> bee
snake -> snake: a snake hissing; a hissing snake
^ele$ -> elephant
anvil -> hammering
arrow|archer attack -> arrow
firearrow -> arrow
catapult -> catapult: a wooden catapult; a siege engine creaking
(building fall|tower hit|golem (die|walk)) -> collapse: a building collapsing; falling stone
airship|orni -> machinery: a flapping flying machine; a creaking machine
machine -> machinery: a creaking machine
worker mine -> mining
harvest -> farming: harvesting a field
^rain$ -> rain
^wind$ -> wind
^night$ -> summer night
(princess|valkyrie).*(ack|select) -> woman speaking
(swordman|guard|knife|spearman|princess|valkyrie|ghost armor).*attack|^knife$ -> sword
(horseman|stickfighter|cudgel|warrior).*attack -> sword: weapons clashing; a blow with a weapon
(daemon|dragon|behemoth|golem|mummy|genie|^dr |evil) -> roar
(archmage|battlemage|summoner|initiate).*(attack|hit) -> magic: a magic spell; a magical blast
(archer|archmage|axe thrower|guard|horseman|summoner|swordman|technician|worker|warrior|spearman|shaman|stickfighter|battlemage|initiate|cudgel).*(ack|select) -> man speaking
(archer|axe thrower|horseman|swordman|technician|worker|spearman|shaman|stickfighter|initiate).*die -> man in pain
""",
    "deb-micropolis": """
aaah|uhuh|sorry -> man speaking: a man's voice
airport -> airplane
boing -> boing: a comic boing; a bouncing spring
bulldozer|^build -> engine: a bulldozer working
computer -> beep: computer beeps; electronic beeps
cuckoo -> cuckoo: a cuckoo calling; a cuckoo clock
explosion -> explosion
^fire$ -> crackling fire
traffic -> traffic
honkhonk -> car horn
ignition -> engine: a car starting
monster -> roar
quack -> duck
^rail$ -> train
rumble -> rumble: a deep rumble
seaport -> harbor: a ship's horn in a harbor
siren|police -> siren
skid -> car skid: tires screeching; a skidding car
stadium -> crowd: a crowd cheering
whip -> whip: a whip cracking; the crack of a whip
""",
    "deb-minetest": """
cart moving -> cart: a cart rolling on rails; a rattling mine cart
break glass -> glass breaking
chest -> wood impact: a wooden chest; the lid of a chest
choppy -> woodcutting
cracky -> mining
crumbly|gravel dig|gravel dug -> digging: digging in gravel; a shovel in loose ground
snappy -> leaves: rustling leaves
furnace|fire large|fire small|fire fire|smoke -> crackling fire
extinguish -> sizzle: a flame being put out; a hiss of steam
flint -> striking flint: striking flint and steel; a lighter being struck
dirt footstep -> footsteps: footsteps on dirt
grass footstep -> footsteps: footsteps on grass
gravel footstep -> footsteps: footsteps on gravel
hard footstep -> footsteps: footsteps on a hard floor
sand footstep -> footsteps: footsteps on sand
snow footstep -> footsteps: footsteps in snow
water footstep -> footsteps: footsteps in water
ice -> ice breaking: ice cracking; breaking ice
metal -> metal impact: something hitting metal
tool breaks -> wood smashing: a wooden tool breaking; wood snapping
player damage -> body hit
fencegate -> gate: a wooden gate on its hinges
door.* close -> door closing
door.* open -> door opening
lava -> bubbles: bubbling lava; thick liquid bubbling
env sounds water -> river
explode -> explosion
gunpowder|ignite -> fuse: a burning fuse; a hissing fuse
place node|dug node|dig immediate -> thud: a dull thud; a block being set
""",
    "deb-searchandrescue": """
air brake -> air hiss: compressed air hissing; an air brake
splash -> splash
crash -> crash: a crash; an aircraft crashing
door open -> door opening
(gear|flap) -> electric motor: an electric motor whirring; aircraft landing gear moving
helicopter wheel|skid|land (ski|wheel) -> car skid: tires screeching; a wheel screeching
helicopter -> helicopter
jet engine -> airplane: a jet engine
engine -> engine: an aircraft engine
belly -> crash: metal scraping
thud -> thud: a heavy thud; a dull thud
thunder -> thunderstorm
overspeed|stall -> alarm: a warning alarm; a beeping cockpit warning
screenshot -> camera: a camera shutter
""",
    "deb-sonic-pi": """
ambi choir -> choir: a choir singing; voices singing
ambi piano -> piano: a piano note
ambi glass -> glass: rubbing a glass; the hum of a glass
woosh|swoosh|swash -> swish: a whoosh; a swoosh
ambi -> drone: an eerie drone; a dark humming synthesizer
^bass -> synth bass: a bass synthesizer; a deep electronic bass note
^bd|kick|drum bass -> drum kick
cymbal|drum splash -> drum cymbal
cowbell -> cowbell
snare|^sn -> drum snare
tom -> drum tom
drum roll -> drum snare: a drum roll
elec (bell|chime) -> bell: an electronic bell; a chime
^elec|^glitch -> electronic blip: an electronic sound; a synthetic blip
^guit -> guitar
loop (drone|d printer|electric|weirdo) -> drone: an electronic drone; machine sounds
loop tabla|^tabla -> tabla: a tabla drum; Indian hand drums
^loop -> drums: a drum loop; a rhythmic beat
mehackit -> electronic blip: robot sounds; electronic beeps
burp -> burp: someone burping; a burp
cineboom -> explosion: a deep boom
crow -> crow
perc bell -> bell: a bell
perc door -> door closing
perc till -> cash register: a cash register; a till ringing open
perc snap -> finger snap: snapping fingers
perc impact -> thud: an impact
vinyl hiss -> radio: vinyl record hiss; crackling static
vinyl -> vinyl scratch: scratching a vinyl record; a turntable scratch
""",
    "deb-sound-icons": """
canary -> chirping birds: a canary singing
cembalo|klavichord -> harpsichord: a harpsichord; a plucked keyboard string
cymbaly|xylofon -> xylophone: a xylophone
cockchafer -> insects: a buzzing beetle
piano -> piano
glass water -> pouring water
guitar -> guitar
percussion -> drums
pipe -> flute: a pipe being blown
pisk -> whistle: a whistle; a short squeak
trumpet -> trumpet: a trumpet playing; a trumpet note
violoncello -> cello: a cello playing; a cello note
""",
}

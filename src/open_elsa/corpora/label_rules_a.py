# ruff: noqa: E501 — a rule is one line
"""Rules for the names of sources blanket to deb-flare: the notation is that of label_rules.py."""

from __future__ import annotations

RULES: dict[str, str] = {
    "blanket": """
^birds$ -> chirping birds
^fireplace$ -> crackling fire
^storm$ -> thunderstorm: a storm with rain and thunder
^waves$ -> sea waves
^(pink|white) noise$ -> =: steady {}; a hissing noise; static hiss
. -> =
""",
    "cdda-cc-sounds": """
^clean up at end|zombie (death|killed|gibbed)|zombie groan|^mon death -> zombie: a zombie groaning; a dying monster; a creature gurgling and groaning
safe$ -> metal door: a heavy safe door; a metal safe being moved
curtain -> curtain: a curtain being drawn; fabric sliding on a rail
window smash|window frame smash|smash glass|smash (success|fail) glass -> glass breaking
window boarded -> wood smashing: breaking through a boarded window; wooden boards being smashed
(close|open) window|close door: close window -> window sliding: a window being moved; a sliding window frame
(close|open) door fence -> gate: a fence gate; a metal gate moving on its hinges
(close|open) door metal -> metal door: a metal door; a heavy metal door moving
(close|open) car trunk -> car door: a car trunk lid; the trunk of a car
(close|open) car door -> car door: a car door; someone using a car door
close door -> door closing
open door -> door opening
hurt f -> woman in pain
hurt m -> man in pain
engine start -> engine: an engine starting; starting a motor
engine stop -> engine: an engine stopping; a motor being switched off
motor start -> engine: an electric motor starting
engine working -> engine: a combustion engine running
car alarm -> car alarm: a car alarm sounding; the alarm of a parked car
church bells -> church bells
environment: bells -> church bells: bells ringing
siren -> siren
environment: alarm -> alarm: an alarm sounding; an emergency alarm
snow|flurries -> wind: wind in a snowstorm; a winter storm
drizzle|rain -> rain
thunderstorm -> thunderstorm: thunder and rain in a storm
thunder -> thunderstorm: rolling thunder; thunder; a rumble of thunder
portal storm -> storm: an eerie storm; strange howling wind
(night|nighttime)$ -> summer night: a night with insects; crickets in the night
weather .*winter -> wind: cold winter wind
weather .*(spring|summer) -> outdoors: the outdoors on a fine day; birds and a breeze
weather .*autumn|weather cloudy -> outdoors: the outdoors on a cloudy day; a breeze
daytime|weather (clear|sunny) -> outdoors: the outdoors in the daytime; birds and a breeze
underground|indoors$ -> room tone: the hum of a building; a quiet hum
explosion -> explosion
fire: ignition -> crackling fire: a fire igniting; flames flaring
fire gun: bow -> arrow: a bow shooting an arrow
brass eject -> bullet casing: a bullet casing falling; a cartridge dropping on the floor
fire gun: empty -> gun click: the click of an empty gun
lasergun -> laser gun: a laser gun firing; a science fiction weapon
launcher|rocket -> rocket launch: a rocket being fired; a rocket launcher
machinegun|auto rifle -> machine gun: a machine gun firing; a burst of gunfire
fire gun: (acid|gene) -> laser gun: a strange weapon firing
fire gun -> gunshot
humming: -> electric hum: an electric hum; machinery humming
monster melee|bite -> bite: a monster biting; flesh being torn
melee hit -> body hit: a body being hit; a punch; a thud on flesh
melee swing -> swish: something swung through the air; a whoosh
menu error -> error beep: an error beep; a short electronic tone
clear obstacle -> rubble: moving rubble; debris being shifted
sleepiness -> yawning: someone yawning; a yawn
walk water|water sh -> footsteps: footsteps in water; someone wading through water
walk (t )?gravel -> footsteps: footsteps on gravel
walk (t )?grass -> footsteps: footsteps on grass
walk metal -> footsteps: footsteps on metal
walk dirt -> footsteps: footsteps on dirt
walk barefoot -> footsteps: barefoot footsteps
walk t carpet -> footsteps: soft footsteps on carpet
walk t -> footsteps: footsteps on a hard floor
chatter -> radio: voices on a radio; unintelligible radio chatter
static -> radio: radio static; white noise from a radio
^reload|roll n to aim -> gun reload: reloading a gun; a gun being loaded; the click of a rifle bolt
shriek|scream -> scream
wail -> scream: a wail; someone wailing
door smash|wood|smash .*door -> wood smashing: wood being smashed; breaking a wooden door
ceramic -> glass breaking: breaking ceramic; a pot shattering
chain link -> metal impact: hitting a chain link fence; a rattling metal fence
hit vehicle|smash.* metal -> metal impact: a metal clang; something hitting metal
brick|concrete|wall -> stone impact: hitting a brick wall; stone breaking
plastic -> plastic breaking: plastic cracking; breaking plastic
creepy laugh -> laughing: a creepy laugh; sinister laughter
female .*breathing -> breathing: a woman breathing heavily
male .*breathing -> breathing: a man breathing heavily
whisper -> whispering: a woman whispering; a whispering voice
mumbl|rambling|ranbling -> speech: a man mumbling; an old man rambling
tool: axe -> woodcutting
shutter -> camera: a camera shutter; taking a photograph
geiger -> geiger counter: a geiger counter clicking; rapid electric clicks
hacksaw -> hand saw: sawing metal with a hacksaw
oxytorch -> torch: a blowtorch; the hiss of a gas torch
pickaxe -> mining
shovel -> digging: digging with a shovel; a shovel in the ground
gear shift -> gear shift: shifting gears in a car
horn -> car horn
beeper -> reversing beeper: the beeping of a reversing truck; a truck beeping
""",
    "deb-0ad": """
camel -> camel: a camel groaning; a grunting camel
cattle -> cow
chicken -> hen
elephant -> elephant
flamingo -> flamingo: a flamingo calling; a honking bird
horse -> horse
lion -> lion
peacock -> peacock: a peacock calling; a peacock screaming
animal pig -> pig
sheep -> sheep
goat -> goat
animal death generic -> animal cry: an animal crying out; a dying animal
stonegate -> gate: a heavy stone gate moving; a gate grinding
female death -> woman in pain: a dying woman cries out
male death|human death -> man in pain: a dying man cries out
(footstep|foorstep|fs|hstep).*sand -> footsteps: footsteps on sand
(footstep|fs).*gravel -> footsteps: footsteps on gravel
(footstep|fs).*rock -> footsteps: footsteps on rock
(footstep|fs).*wood -> footsteps: footsteps on wood
fs grass -> footsteps: footsteps on grass
fs snow -> footsteps: footsteps in snow
hstep|mstep -> hoofbeats
actor ship|smove -> boat: a wooden ship creaking on the water
amb farm -> farm: a farm with animals; farmyard sounds
amb port|sel port|sel dock -> harbor: a harbor with seagulls and water; the sounds of a port
amb trade|sel market -> market: people trading in a market; a busy market crowd
day t -> chirping birds: birds in the daytime; nature sounds with birds
river -> river
waterfall -> waterfall: a waterfall; rushing water
wavecrash|waverocky -> sea waves: waves crashing on rocks
weather rain -> rain
snowstorm|wind -> wind
weather thunder -> thunderstorm
building collapse -> collapse: a building collapsing; crumbling stone; falling rubble
explode -> explosion: flying debris
attack fire -> crackling fire
impact arrow -> arrow: an arrow hitting its target
fleshimp|fleshstab -> body hit: a blade hitting flesh; a stab
shield -> sword: a blow on a shield; a weapon hitting a shield
sling|siegeprojectile -> stone impact: a stone hitting its target
ballist|onager|ram -> catapult: a wooden catapult; a siege engine creaking
musket -> gunshot: a musket being fired
arrowfly|bow attack -> arrow
jav|pike|spear -> swish: a spear being thrown; a weapon swung through the air
sword -> sword
alarm|chat alert -> signal: a horn or drum signal in a game; a short musical signal
select building sel (corral) -> farm: farm animals in a pen; livestock
sel (farm|field)|gather field|hoe -> farming: working in a field; a tool digging in soil
sel forge|complete forge -> hammering: a blacksmith at work
building complete -> -
sel (stone|metal) -> mining
sel (tree) -> woodcutting
sel fruit|fruit|leaves -> leaves: rustling leaves; picking fruit from a bush
select building -> -
con saw -> hand saw
con stone -> hammering: hammering stone; chiselling stone
con wood -> hammering: hammering wood; a hammer driving nails
meat -> cutting meat: cutting meat with a knife; slicing flesh
lumber -> woodcutting
mine -> mining
""",
    "deb-asterisk-en": """
/digits/ -> woman speaking: a woman says a number; a woman's voice speaking a number; speech
/(letters|phonetic)/ -> woman speaking: a woman says a letter; a woman spelling; speech
. -> woman speaking: a woman speaking; a recorded announcement by a woman; a telephone announcement; speech
""",
    "deb-flare": """
door open -> door opening
(antlion|wyvern|minotaur|goblin).*(die|hit|phys|ment) -> roar
zombie -> zombie: a zombie groaning; a creature moaning
skeleton|grave -> bones: rattling bones; bones clattering
anvil -> hammering
bird twitter -> chirping birds
droplets -> water drops: water dripping in a cave
wind -> wind
owl -> owl
fire|burn -> crackling fire
raven -> crow: a raven cawing
river -> river
stone open -> stone impact: heavy stone grinding
^female (die|hit) -> woman in pain
^male (die|hit) -> man in pain
heartbeat -> heartbeat: a beating heart
book|page -> page turning: turning the pages of a book; rustling paper
coins|flying loot -> coins: coins jingling; a handful of coins
inventory cloth|inventory leather -> cloth: cloth rustling; leather being moved
maille|inventory metal|step metal -> metal impact: clinking metal armor
potion -> liquid in a bottle: a bottle of liquid; a bubbling potion
inventory wood|wood open -> wood impact: a wooden object being moved; a knock of wood
melee attack -> swish: a swung weapon
female merchant -> woman speaking
male merchant -> man speaking
arrow -> arrow
quake -> rumble: an earthquake rumbling; a deep rumble
thunder|shock -> thunderstorm
warcry -> war cry: a war cry; a man shouting
step -> footsteps
powers (freeze|heal|shield|teleport|timestop)|level up|teleporter -> magic: a magic spell; a shimmering magical sound
""",
}

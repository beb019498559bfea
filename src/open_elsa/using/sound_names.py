"""Names of everyday sounds that `describe` chooses from: noun phrases that follow "the sound of"."""

from __future__ import annotations

_TEXT = """
a person talking; a man speaking; a woman speaking; a child speaking; people talking; a person whispering
a person shouting; a person screaming; a person laughing; a baby laughing; a baby crying; a person crying
a person sighing; a person singing; a choir singing; a person humming; a person whistling; a person breathing
a person snoring; a person gasping; a person coughing; a person clearing their throat; a person sneezing
a person sniffing; footsteps; a person running; a person chewing; a person drinking; a person gargling
a person burping; a person hiccuping; fingers snapping; hands clapping; a heartbeat; a crowd cheering
applause; a crowd chattering; children playing
a dog barking; a dog howling; a dog growling; a dog whimpering; a cat meowing; a cat purring; a cat hissing
a horse neighing; horse hooves; a cow mooing; a cowbell; a pig grunting; a goat bleating; a sheep bleating
a hen clucking; a rooster crowing; a turkey gobbling; a duck quacking; a goose honking; a lion roaring
birds chirping; a bird singing; a bird squawking; a pigeon cooing; a crow cawing; an owl hooting; a seagull
wings flapping; a wolf howling; a mouse squeaking; a monkey; an elephant trumpeting; insects buzzing
crickets chirping; a mosquito buzzing; a fly buzzing; bees buzzing; a frog croaking; a snake hissing
a whale singing; a bear growling
music playing; an acoustic guitar; an electric guitar; a bass guitar; a banjo; a ukulele; a piano
an electric piano; an organ; a synthesizer; a harpsichord; a drum kit; a snare drum; a bass drum; a drum roll
timpani; a tabla; a cymbal; a hi-hat; a wood block; a tambourine; a maraca; a shaker; a gong; tubular bells
a xylophone; a glockenspiel; a vibraphone; a steel drum; an orchestra; a French horn; a trumpet; a trombone
a violin; a cello; a double bass; a flute; a saxophone; a clarinet; a harp; a church bell; a jingle bell
a bicycle bell; a wind chime; a harmonica; an accordion; bagpipes; a didgeridoo; a singing bowl
a bell ringing; a vinyl record crackling
wind blowing; leaves rustling; thunder; rain falling; water dripping; a stream flowing; a waterfall
ocean waves; water splashing; water pouring; water bubbling; steam hissing; a fire crackling
a car passing by; a car engine; a car horn; a car alarm; a car door closing; tires squealing; a truck; a bus
a motorcycle; a siren; a police siren; an ambulance siren; a fire engine; traffic noise; a train passing
a train horn; a train whistle; a subway train; a boat engine; a sailing boat; an aeroplane; a jet engine
a helicopter; a propeller; a bicycle; a skateboard; an engine running; an engine starting; an engine idling
a lawn mower; a chainsaw
a door opening; a door creaking; a door slamming; a door knock; a doorbell; a lock clicking; a drawer opening
dishes clattering; cutlery clinking; vegetables being chopped; food frying; a microwave oven; a blender
a tap running; a toilet flushing; teeth being brushed; a hair dryer; an electric shaver; a vacuum cleaner
a washing machine; a zipper; keys jangling; coins dropping; scissors cutting; cards being shuffled
a typewriter; typing on a keyboard; a mouse click; a pen writing; paper rustling; paper being torn
a page being turned; a can being opened; a glass clinking; glass breaking; a bottle being opened
an alarm clock; a telephone ringing; a ringtone; a dial tone; a buzzer; a smoke alarm; a fire alarm; a foghorn
a whistle; a clock ticking; a clock chiming; gears turning; a sewing machine; a fan; an air conditioner
a cash register; a printer; a camera shutter; a television; a radio
a hammer; a jackhammer; a saw; a file scraping; sandpaper; a drill; an explosion; a gunshot; a machine gun
artillery fire; an arrow flying; a sword clash; fireworks; a firecracker; a balloon popping; wood being chopped
wood cracking; a tree falling; stones falling; gravel crunching; snow crunching; a thud; a bang; a slap; a punch
a crash; something breaking; a ball bouncing; a whip cracking; a scrape; a squeak; a creak; a rattle; a clang
a click; a beep; a ding; a plop; a pop; a whoosh; a rumble; a hum; a buzz; a crunch; a sizzle; a chime
a notification sound; a laser; a video game sound; a magic spell; a machine running; static; white noise
a sine tone
"""

#: About 250 names, each once.
SOUND_NAMES: tuple[str, ...] = tuple(
    dict.fromkeys(name.strip() for line in _TEXT.splitlines() for name in line.split(";") if name.strip())
)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the small models that ship with the engine: `selfrect train pack`, `selfrect train RECIPE`, `selfrect train export`.

recipe            what a run is: data, network, phases, as a small TOML file
textures          fetch the pictures that the recipe's table names, and check them
pack              all of them in one file of a size that travels
data              random crops, and pairs of crops of one texture, cut on the device that trains
network           the UNet and its noise schedule
rough             crops as rough as what is to be rectified
noising           the noise of one step: levels, and what is asked for
losses            how that is measured, and how much each noise level counts
paired_attention  let a crop look at another crop of its texture, as rectifying does
loop              the story of a run
checkpoint        its state in one safetensors file, to the bit
small             the same at a fifth of the size, in pieces, to be carried to another machine
samples           a sheet of pictures and the loss on textures it has never seen
export            the averaged weights as a package folder
"""

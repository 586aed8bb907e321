# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the small models that ship with the engine: `python -m selfrect.training recipes/mini.toml`.

recipe            what a run is: data, network, phases, as a small TOML file
textures          fetch the pictures that the recipe's table names, and check them
data              random crops, and pairs of crops of one texture
network           the UNet and its noise schedule
losses            what the network is asked for, and how much each noise level counts
paired_attention  let a crop look at another crop of its texture, as rectifying does
loop              the story of a run
checkpoint        its state in one safetensors file
samples           a sheet of pictures and the loss on textures it has never seen
export            the averaged weights as a package folder
"""

"""Synthetic models, one architecture a file, made of Flax modules."""

from hycojax.networks.convnet import ConvNet
from hycojax.networks.emulator import Custom, Emulator
from hycojax.networks.fno import FNO
from hycojax.networks.neural_field import NeuralField
from hycojax.networks.resnet import ResNet
from hycojax.networks.unet import Block, UNet

__all__ = ["FNO", "Block", "ConvNet", "Custom", "Emulator", "NeuralField", "ResNet", "UNet"]

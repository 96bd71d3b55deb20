"""Initial weights that keep the size of the signal through the layers (He et al. 2015).

Torch's default shrinks the variance to about a sixth at each layer with LeakyReLU. After the ten to
thirty layers of a network the images are no longer visible at the flow head, and hundreds of steps
pass before anything is learned.
"""

from torch import nn

#: Convolutions, including transposed ones.
Convolution = nn.Conv3d | nn.ConvTranspose3d


def he_normal(layer: Convolution, slope: float, scale: float = 1.0) -> None:
    """Draw a convolution's weights so that its output is as large as its input; the bias is 0.

    Args:
        layer: changed in place.
        slope: of the (leaky) ReLU that follows; 1 if none follows.
        scale: of the output, relative to the input.
    """
    nn.init.kaiming_normal_(layer.weight, a=slope)
    layer.weight.data.mul_(scale)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)

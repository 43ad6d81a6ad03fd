"""The vocoders of other packages, in PyTorch, for `vocoders.py`.

Their sizes are those of the papers (HiFi-GAN, Vocos) or of the packages' own
recipes (Parallel WaveGAN, multi-band MelGAN); their weights are random, without
weight normalisation, as they are deployed. Each synthesizes in one pass.
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import torch
from parallel_wavegan.layers import PQMF
from parallel_wavegan.models import (
    HiFiGANGenerator,
    MelGANGenerator,
    ParallelWaveGANGenerator,
)
from torch.utils.flop_counter import FlopCounterMode
from vocoders import THREADS, Case, serve
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone

_HOP = 256


@dataclasses.dataclass(frozen=True)
class Vocoder:
    """Of one row of mel spectrogram.

    Attributes:
        name: With its size.
        network: Holds the parameters.
        synthesize: Audio from `(1, mels, frames)`.
        rate: Samples in a second.
        mels: Bands.
        further_frames: That do not become sound of their own.
    """

    name: str
    network: torch.nn.Module
    synthesize: Callable[[torch.Tensor], torch.Tensor]
    rate: int = 22_050
    mels: int = 80
    further_frames: int = 0

    def cases(self) -> list[Case]:
        """Eager and compiled, the latter anew for each length."""
        if hasattr(self.network, "remove_weight_norm"):
            self.network.remove_weight_norm()
        self.network.eval()
        parameters = sum(x.numel() for x in self.network.parameters())
        # Two for each multiplication in a convolution or a matrix product.
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            samples = self.synthesize(self.mel(1)).numel()
        operations = counter.get_total_flops() * self.rate / samples
        routes = {
            "PyTorch, eager": self.synthesize,
            "PyTorch, compiled": torch.compile(self.synthesize, dynamic=False),
        }
        return [
            Case(
                self.name,
                route,
                self.rate,
                parameters,
                operations,
                functools.partial(self._prepare, function),
            )
            for route, function in routes.items()
        ]

    def mel(self, seconds: int) -> torch.Tensor:
        """Random frames that become so many seconds of sound, or a bit more."""
        frames = math.ceil(seconds * self.rate / _HOP) + self.further_frames
        return torch.randn(1, self.mels, frames)

    def _prepare(self, function: Callable, seconds: int) -> Callable[[], int]:
        mel = self.mel(seconds)

        def run() -> int:
            with torch.inference_mode():
                return function(mel).numpy().size

        return run


def parallel_wavegan() -> Vocoder:
    """From noise, as its student ancestor; 1910.11480."""
    generator = ParallelWaveGANGenerator()
    context = 2 * generator.aux_context_window

    def synthesize(mel: torch.Tensor) -> torch.Tensor:
        samples = (mel.shape[-1] - context) * _HOP
        return generator(torch.randn(1, 1, samples), mel)

    return Vocoder(
        "Parallel WaveGAN", generator, synthesize, further_frames=context
    )


def multi_band_melgan() -> Vocoder:
    """Four bands, joined by a filter bank; 2005.05106."""
    generator = MelGANGenerator(
        out_channels=4, channels=384, upsample_scales=[8, 4, 2], stacks=4
    )
    bands = PQMF(4)
    return Vocoder(
        "multi-band MelGAN",
        generator,
        lambda mel: bands.synthesis(generator(mel)),
    )


def hifi_gan(size: str, **changes) -> Vocoder:
    """2010.05646."""
    generator = HiFiGANGenerator(**changes)
    return Vocoder(f"HiFi-GAN {size}", generator, generator)


def vocos() -> Vocoder:
    """An inverse Fourier transform in place of upsampling; 2306.00814."""
    network = torch.nn.Sequential(
        VocosBackbone(100, 512, 1_536, 8),
        ISTFTHead(512, 1_024, _HOP, padding="center"),
    )
    return Vocoder("Vocos", network, network, 24_000, 100, further_frames=1)


def main() -> None:
    """Serves all."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    third = {
        "channels": 256,
        "upsample_scales": (8, 8, 4),
        "upsample_kernel_sizes": (16, 16, 8),
        "resblock_kernel_sizes": (3, 5, 7),
        "resblock_dilations": [(1, 2), (2, 6), (3, 12)],
        "use_additional_convs": False,
    }
    vocoders = (
        parallel_wavegan(),
        hifi_gan("V1"),
        hifi_gan("V2", channels=128),
        hifi_gan("V3", **third),
        multi_band_melgan(),
        vocos(),
    )
    serve(lambda: [case for one in vocoders for case in one.cases()])


if __name__ == "__main__":
    main()

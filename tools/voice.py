"""Make the voice pack: every clip of `daozhang.devices.voice` spoken by espeak-ng (Debian package of that name).

    python tools/voice.py            # writes daozhang/devices/voices/{zh,en}/*.wav

Each clip is resampled to 16 kHz, cut to where it sounds, and brought to the same loudness.
"""

import array
import math
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from daozhang.devices.voice import CLIPS, PACK, RATE, wav

VOICES = {"zh": ("cmn-latn-pinyin", "175"), "en": ("en-us", "165")}
TAPS = 24
QUIET = 0.02  # of the peak
EDGE = RATE * 8 // 1000
LOUDNESS, PEAK = 4_200.0, 26_000.0


def spoken(text: str, lang: str) -> tuple[list[int], int]:
    voice, speed = VOICES[lang]
    with tempfile.NamedTemporaryFile(suffix=".wav") as held:
        subprocess.run(["espeak-ng", "-v", voice, "-s", speed, "-g", "0", "-w", held.name, text], check=True)
        with wave.open(held.name, "rb") as file:
            return array.array("h", file.readframes(file.getnframes())).tolist(), file.getframerate()


def resampled(samples: list[int], rate: int) -> list[float]:
    """Windowed sinc, below half of the lower rate."""
    cut = min(1.0, RATE / rate) * 0.95
    out = []
    for at in range(len(samples) * RATE // rate):
        centre = at * rate / RATE
        first = math.ceil(centre - TAPS)
        total = 0.0
        for place in range(max(first, 0), min(math.floor(centre + TAPS) + 1, len(samples))):
            x = centre - place
            sinc = cut if x == 0 else math.sin(math.pi * cut * x) / (math.pi * x)
            total += samples[place] * sinc * (0.5 + 0.5 * math.cos(math.pi * x / TAPS))
        out.append(total)
    return out


def trimmed(samples: list[float]) -> list[float]:
    floor = max(map(abs, samples)) * QUIET
    loud = [at for at, one in enumerate(samples) if abs(one) > floor]
    return samples[max(loud[0] - EDGE, 0) : loud[-1] + EDGE]


def levelled(samples: list[float]) -> "array.array[int]":
    loudness = math.sqrt(sum(one * one for one in samples) / len(samples))
    gain = min(LOUDNESS / loudness, PEAK / max(map(abs, samples)))
    return array.array("h", [round(one * gain) for one in samples])


def main() -> int:
    total = 0
    for lang, clips in CLIPS.items():
        (PACK / lang).mkdir(parents=True, exist_ok=True)
        for name, text in clips.values():
            data = wav(levelled(trimmed(resampled(*spoken(text, lang)))))
            (PACK / lang / f"{name}.wav").write_bytes(data)
            total += len(data)
    print(f"{sum(map(len, CLIPS.values()))} clips, {total // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

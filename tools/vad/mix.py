#!/usr/bin/python3
"""Noisy telephone scenes with labels, for training the speech detector (tools/vad/train.c).

mix.py OUT --speech DIR... --noise DIR... [--hours H] [--seed N]

OUT.s16: 8 kHz mono; OUT.lab: a byte per 20 ms frame, 1 speech, 0 not, 2 not told; both scene after
scene of SCENE_S seconds. Speech is labelled on the clean recording by its energy, so clips that are
not clean are left out; then pauses, room, noise, music, tones, levels, line and codec are added.
Needs python3-numpy, python3-scipy and sox. The same arguments give the same files."""
import argparse, os, subprocess, sys
import numpy as np
from scipy import signal

RATE, FRAME, SCENE_S = 8000, 160, 24
SCENE = RATE * SCENE_S


def read(path, rate):
    raw = subprocess.run(["sox", "-V1", path, "-t", "raw", "-r", str(rate), "-e", "signed", "-b", "16",
                          "-c", "1", "-"], capture_output=True).stdout
    return np.frombuffer(raw, dtype=np.int16).astype(np.float32)


def files(folders):
    found = []
    for folder in folders:
        for at, _, names in os.walk(folder):
            found += [os.path.join(at, n) for n in names if n.lower().endswith((".wav", ".ogg", ".mp3", ".flac"))]
    return sorted(found)


def runs(flags):
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return edges.reshape(-1, 2)


def energy_labels(x, rate, min_range_db):
    """Speech of a clean recording in steps of 10 ms; None when it is not clean."""
    hop, win = rate // 100, rate // 50
    if len(x) < 30 * hop:
        return None
    y = np.append(x[0], x[1:] - 0.6 * x[:-1])
    n = (len(y) - win) // hop + 1
    frames = np.lib.stride_tricks.as_strided(y, (n, win), (y.strides[0] * hop, y.strides[0]))
    db = 10 * np.log10((frames ** 2).mean(1) + 1)
    floor, peak = np.percentile(db, 8), np.percentile(db, 95)
    if peak - floor < min_range_db:
        return None
    speech = db > max(floor + 10, peak - 34)
    for a, b in runs(~speech):
        if b - a <= 12 and a > 0 and b < n:
            speech[a:b] = True
    for a, b in runs(speech):
        if b - a < 7:
            speech[a:b] = False
    for a, b in runs(speech):
        speech[max(0, a - 2):b + 2] = True
    return speech


def load_speech(folders, rng):
    clips = []
    for path in files(folders):
        wide = read(path, 16000)
        labels = energy_labels(wide, 16000, 32)
        if labels is None or not labels.any():
            continue
        x = signal.resample_poly(wide, 1, 2).astype(np.float32)
        a, b = np.flatnonzero(labels)[[0, -1]]
        a, b = max(0, a - 3), min(len(labels), b + 8)
        part, on = x[a * 80:b * 80], labels[a:b]
        part = part[:len(on) * 80]
        on = on[:len(part) // 80]
        part = part[:len(on) * 80].copy()
        fade = min(160, len(part))
        part[:fade] *= np.linspace(0, 1, fade)
        part[-fade:] *= np.linspace(1, 0, fade)
        level = np.sqrt((part[np.repeat(on, 80)] ** 2).mean())
        clips.append((os.path.dirname(path), (part / level).astype(np.float32), on))
    rng.shuffle(clips)
    return clips


def load_noise(folders):
    noises = []
    for path in files(folders):
        x = read(path, RATE)
        rms = np.sqrt((x ** 2).mean()) if len(x) else 0
        if len(x) > RATE // 2 and rms > 3:
            noises.append(x / rms)
    return noises


# --- sounds made, not recorded -------------------------------------------------------------------

def coloured(rng, n):
    slope = rng.uniform(-2.2, 0.6)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.fft.rfftfreq(n, 1 / RATE)
    spectrum *= np.maximum(f, 40) ** (slope / 2)
    for _ in range(rng.integers(0, 4)):
        spectrum *= 1 + rng.uniform(0.5, 6) * np.exp(-((f - rng.uniform(100, 3600)) / rng.uniform(30, 500)) ** 2)
    x = np.fft.irfft(spectrum, n)
    if rng.random() < 0.5:
        knots = rng.integers(2, 40)
        depth = rng.uniform(1, 9)
        gains = np.interp(np.arange(n), np.linspace(0, n, knots + 1), rng.uniform(-depth, depth, knots + 1))
        x *= 10 ** (gains / 20)
    return x


def engine(rng, n):
    f0 = rng.uniform(25, 180) * np.exp(np.cumsum(rng.standard_normal(n)) * rng.uniform(0, 4e-4))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    x = sum(rng.uniform(0, 1) / h ** rng.uniform(0, 1) * np.sin(h * phase + rng.uniform(0, 6)) for h in range(1, 12))
    return x + rng.uniform(0.05, 1) * coloured_unit(rng, n)


def coloured_unit(rng, n):
    x = coloured(rng, n)
    return x / (np.sqrt((x ** 2).mean()) + 1e-9)


def note(rng, n, f):
    t = np.arange(n) / RATE
    vibrato = rng.choice([0, 0, 0.004, 0.008]) * np.sin(2 * np.pi * rng.uniform(4, 7) * t)
    x = sum(rng.uniform(0, 1) / h ** 1.2 * np.sin(2 * np.pi * f * h * (t + vibrato / 10)) for h in range(1, 9) if f * h < 3900)
    attack, decay = rng.uniform(0.002, 0.1), rng.uniform(0.15, 2)
    return x * np.minimum(t / attack, 1) * np.exp(-t / decay)


def music(rng, n):
    x = np.zeros(n)
    beat = rng.uniform(0.12, 0.6)
    scale = rng.choice([0, 2, 4, 5, 7, 9, 11, 12], 5)
    root = rng.uniform(90, 330)
    drums = rng.random() < 0.5
    at = 0.0
    while at * RATE < n - 800:
        for _ in range(rng.integers(1, 4)):
            f = root * 2 ** (rng.choice(scale) / 12 + rng.integers(-1, 3))
            m = min(int(rng.uniform(0.8, 4) * beat * RATE), n - int(at * RATE))
            if f < 3500:
                x[int(at * RATE):int(at * RATE) + m] += note(rng, m, f)
        if drums:
            m = min(int(rng.uniform(0.03, 0.2) * RATE), n - int(at * RATE))
            x[int(at * RATE):int(at * RATE) + m] += rng.uniform(0.5, 3) * rng.standard_normal(m) * np.exp(-np.arange(m) / (m / 5))
        at += beat * rng.choice([1, 1, 1, 2, 0.5])
    return x


def tones(rng, n):
    """Telephone tones: keys, ringing, busy, beeps, at a random cadence."""
    x = np.zeros(n)
    pairs = [(350, 440), (440, 480), (480, 620), (425, 425), (400, 450), (1400, 1400), (950, 1400), (1000, 1000)]
    keys = rng.random() < 0.4
    on, off = (rng.uniform(0.05, 0.2), rng.uniform(0.05, 0.5)) if keys else (rng.uniform(0.1, 2), rng.uniform(0.1, 4))
    pair = pairs[rng.integers(len(pairs))]
    at = rng.uniform(0, 2)
    while at * RATE < n:
        if keys:
            pair = (rng.choice([697, 770, 852, 941]), rng.choice([1209, 1336, 1477, 1633]))
            if rng.random() < 0.2:
                at += rng.uniform(0.5, 5)
        a, b = int(at * RATE), min(n, int((at + on) * RATE))
        t = np.arange(max(0, b - a)) / RATE
        x[a:b] += np.sin(2 * np.pi * pair[0] * t) + np.sin(2 * np.pi * pair[1] * t)
        at += on + off
    return x


def hum(rng, n):
    base = rng.choice([50, 60])
    t = np.arange(n) / RATE
    return sum(rng.uniform(0, 1) * np.sin(2 * np.pi * base * h * t + rng.uniform(0, 6)) for h in range(1, rng.integers(2, 20)))


def clicks(rng, n):
    x = np.zeros(n)
    for _ in range(rng.integers(2, 60)):
        m = int(rng.choice([8, 30, 160, 500]))
        at = rng.integers(0, n - m)
        x[at:at + m] += rng.uniform(0.2, 1) * 30 * rng.standard_normal(m) * np.exp(-np.arange(m) / (m / 6))
    return x


def breaths(rng, n):
    x = np.zeros(n)
    for _ in range(rng.integers(1, 12)):
        m = int(rng.uniform(0.15, 0.9) * RATE)
        at = rng.integers(0, n - m)
        lo = rng.uniform(200, 900)
        sos = signal.butter(2, [lo, min(3800, lo * rng.uniform(2, 6))], "band", fs=RATE, output="sos")
        x[at:at + m] += rng.uniform(0.3, 1) * signal.sosfilt(sos, rng.standard_normal(m)) * np.hanning(m) ** rng.uniform(0.3, 2)
    return x


# --- scenes --------------------------------------------------------------------------------------

class Mixer:
    def __init__(self, rng, speech, noises):
        self.rng, self.speech, self.noises = rng, speech, noises
        self.by_speaker = {}
        for clip in speech:
            self.by_speaker.setdefault(clip[0], []).append(clip)
        self.speakers = sorted(self.by_speaker)

    def clip(self, speaker):
        clips = self.by_speaker[speaker]
        return clips[self.rng.integers(len(clips))]

    def speaker(self):
        return self.speakers[self.rng.integers(len(self.speakers))]

    def pause_s(self, lively):
        r = self.rng.random()
        if r < lively:
            return np.exp(self.rng.uniform(np.log(0.15), np.log(1.0)))
        return np.exp(self.rng.uniform(np.log(0.5), np.log(6)))

    def talk(self):
        """A talker's track and its labels in steps of 10 ms."""
        rng = self.rng
        x, on = np.zeros(SCENE, np.float32), np.zeros(SCENE // 80, bool)
        speaker, lively = self.speaker(), rng.choice([0.3, 0.7, 0.95])
        speed = rng.uniform(0.82, 1.22) if rng.random() < 0.6 else 1    # another voice
        at = int(rng.choice([0.05, rng.uniform(0, 4)]) * 100)
        while at < len(on):
            _, part, labels = self.clip(speaker if rng.random() < 0.9 else self.speaker())
            if rng.random() < 0.25:    # a short word only: "yes", "mhm"
                parts = runs(labels)
                a, b = parts[rng.integers(len(parts))]
                part, labels = part[a * 80:b * 80], labels[a:b]
            if speed != 1:
                n = int(len(labels) / speed)
                part = np.interp(np.arange(n * 80) * speed, np.arange(len(part)), part)
                labels = labels[np.minimum((np.arange(n) * speed).astype(int), len(labels) - 1)]
            m = min(len(labels), len(on) - at)
            x[at * 80:(at + m) * 80] += part[:m * 80] * 10 ** (rng.normal(0, 2.5) / 20)
            on[at:at + m] |= labels[:m]
            at += m + int(100 * self.pause_s(lively))
        return x, on

    def babble(self):
        rng = self.rng
        x = np.zeros(SCENE)
        for _ in range(rng.integers(4, 14)):
            x += np.roll(self.talk()[0], rng.integers(SCENE)) * 10 ** (rng.normal(0, 3) / 20)
        return self.room(x, rng.uniform(0.3, 1.2)) if rng.random() < 0.7 else x

    def recorded(self):
        rng = self.rng
        x = self.noises[rng.integers(len(self.noises))]
        n = int(SCENE * rng.uniform(0.8, 1.25))
        if len(x) < n:
            x = np.tile(x, n // len(x) + 1)
        at = rng.integers(0, len(x) - n + 1)
        y = np.interp(np.linspace(0, n - 1, SCENE), np.arange(n), x[at:at + n])
        return self.tilt(y) if rng.random() < 0.6 else y

    def room(self, x, rt60=None):
        rng = self.rng
        rt60 = rt60 or rng.uniform(0.1, 0.8)
        n = int(rt60 * RATE)
        h = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n) * rng.uniform(0.02, 0.25)
        h *= np.minimum(1, np.arange(n) / (0.01 * RATE))
        for _ in range(6):
            h[rng.integers(8, min(n, 400))] += rng.uniform(-0.5, 0.5)
        h[0] = 1
        return signal.fftconvolve(x, h)[:len(x)]

    def tilt(self, x):
        """A gentle random colouring, as microphones and handsets have it."""
        rng = self.rng
        knots = np.array([0, 150, 300, 600, 1200, 2400, 4000])
        gains = 10 ** (np.cumsum(rng.normal(0, rng.uniform(1, 6), len(knots))).clip(-20, 20) / 20)
        taps = signal.firwin2(65, knots, gains, fs=RATE)
        return signal.fftconvolve(x, taps, "same")

    def noise(self):
        rng = self.rng
        kinds = [(0.5, self.recorded), (0.15, self.babble), (0.2, lambda: coloured(rng, SCENE)),
                 (0.05, lambda: engine(rng, SCENE)), (0.1, lambda: music(rng, SCENE))]
        r = rng.random()
        for share, kind in kinds:
            r -= share
            if r < 0:
                return kind()
        return coloured(rng, SCENE)

    def band(self, x):
        rng = self.rng
        if rng.random() < 0.65:
            x = signal.sosfilt(signal.butter(rng.integers(1, 5), rng.uniform(60, 330), "high", fs=RATE, output="sos"), x)
        if rng.random() < 0.6:
            x = signal.sosfilt(signal.butter(rng.integers(2, 7), rng.uniform(2700, 3800), "low", fs=RATE, output="sos"), x)
        return x

    def suppressed(self, x, on):
        """A sender's noise suppressor or voice switch: pauses are turned down, late and unevenly."""
        rng = self.rng
        gain = np.where(np.convolve(on, np.ones(int(rng.uniform(5, 40))), "same") > 0, 1.0, 10 ** (-rng.uniform(6, 40) / 20))
        gain = signal.lfilter([0.15], [1, -0.85], gain)
        return x * np.repeat(gain, 80)

    def scene(self):
        rng = self.rng
        kind = rng.random()
        talks = kind > 0.12
        x, on = self.talk() if talks else (np.zeros(SCENE, np.float32), np.zeros(SCENE // 80, bool))
        if rng.random() < 0.3:
            x = self.room(x)
        if rng.random() < 0.6:
            x = self.tilt(x)
        level = np.sqrt((x[np.repeat(on, 80)] ** 2).mean()) if on.any() else 1.0
        x = x / level

        def add(sound, snr_db):
            rms = np.sqrt((sound ** 2).mean()) + 1e-9
            return x + sound / rms * 10 ** (-snr_db / 20)

        x = add(coloured(rng, SCENE), rng.uniform(28, 60))
        if rng.random() < 0.85:
            x = add(self.noise(), rng.uniform(-8, 27))
            if rng.random() < 0.25:
                x = add(self.noise(), rng.uniform(5, 30))
        if rng.random() < 0.12:
            x = add(hum(rng, SCENE), rng.uniform(5, 35))
        if rng.random() < (0.1 if talks else 0.4):
            x = add(tones(rng, SCENE), rng.uniform(0, 25))
        if rng.random() < 0.25:
            x = add(clicks(rng, SCENE), rng.uniform(5, 30))
        if rng.random() < 0.25:
            x = add(breaths(rng, SCENE), rng.uniform(8, 30))
        x = self.band(x)
        if rng.random() < 0.15:
            x = self.suppressed(x, on)
        x = x * 32768 * 10 ** (rng.uniform(-44, -12) / 20)
        if rng.random() < 0.1:    # lost packets
            for _ in range(rng.integers(1, 20)):
                at = rng.integers(0, SCENE // FRAME - 5) * FRAME
                x[at:at + FRAME * rng.integers(1, 4)] = 0
        return np.clip(np.rint(x), -32768, 32767).astype(np.int16), on


def coded(x, how):
    """Through a telephone codec and back, by sox."""
    form = ["-r", str(RATE), "-c", "1"]
    code = {"mu": ["-t", "ul"], "a": ["-t", "al"], "gsm": ["-t", "gsm"]}[how] + form
    pcm = ["-t", "raw", "-e", "signed", "-b", "16"] + form
    there = subprocess.run(["sox", "-V1", "-D"] + pcm + ["-"] + code + ["-"], input=x.tobytes(), capture_output=True, check=True).stdout
    back = subprocess.run(["sox", "-V1", "-D"] + code + ["-"] + pcm + ["-"], input=there, capture_output=True, check=True).stdout
    y = np.frombuffer(back, np.int16)
    y = y[:len(x)]
    return np.append(y, np.zeros(len(x) - len(y), np.int16))


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("out")
    ask.add_argument("--speech", nargs="+", required=True)
    ask.add_argument("--noise", nargs="+", required=True)
    ask.add_argument("--hours", type=float, default=10)
    ask.add_argument("--seed", type=int, default=1)
    given = ask.parse_args()
    rng = np.random.default_rng(given.seed)
    speech, noises = load_speech(given.speech, rng), load_noise(given.noise)
    print(f"{len(speech)} clean clips ({sum(len(c[2]) for c in speech) / 360000:.2f} h, "
          f"{np.mean(np.concatenate([c[2] for c in speech])):.2f} speech), {len(noises)} noises", file=sys.stderr)
    mixer = Mixer(rng, speech, noises)
    left = int(given.hours * 3600 / SCENE_S)
    with open(given.out + ".s16", "wb") as audio, open(given.out + ".lab", "wb") as labels:
        while left > 0:
            how = rng.choice(["mu", "a", "gsm", "pcm"], p=[0.55, 0.15, 0.15, 0.15])
            some = [mixer.scene() for _ in range(min(left, 10))]
            x = np.concatenate([s[0] for s in some])
            audio.write((x if how == "pcm" else coded(x, how)).tobytes())
            for _, on in some:
                labels.write((on.reshape(-1, 2).mean(1) >= 0.5).astype(np.uint8).tobytes())
            left -= len(some)


main()

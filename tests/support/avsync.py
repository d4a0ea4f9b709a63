"""A camera that flashes and a microphone that beeps at one and the same moment, made inside the page.

Files as camera and microphone (`tests/support/content.py`) start on two unrelated clocks and cannot show
lip-sync. So `flash_and_beep` replaces `getUserMedia` by tracks that the page draws and sounds itself: when it
draws the first white frame of a flash, it starts the beep. The page's own code, the encoders and the network
path stay the real ones. The two leave the page within 7 ms of each other, as a `MediaStreamTrackProcessor` on
the sound shows. Chromium only (`MediaStreamTrackGenerator`).
"""

from __future__ import annotations

import json

from tests.support.content import Side

FLASH_FRAMES = 3
BEEP_S = 0.08
CHROMIUM_FLAGS = ["--autoplay-policy=no-user-gesture-required"]
"""Web Audio would else wait for somebody to touch the page."""
INTERVAL_S = 1.13
"""Not a whole number of frames, neither of the camera nor of the composite: errors do not line up."""

_SCRIPT = """
(() => {
  const WIDTH = 640, HEIGHT = 360, FPS = 30;
  let source;
  const make = () => {
    const audio = new AudioContext({latencyHint: 'interactive'});
    const oscillator = new OscillatorNode(audio, {frequency: SIDE.tone_hz});
    const gain = new GainNode(audio, {gain: 0});
    const destination = new MediaStreamAudioDestinationNode(audio, {channelCount: 1});
    oscillator.connect(gain).connect(destination);
    oscillator.start();
    const video = new MediaStreamTrackGenerator({kind: 'video'});
    const writer = video.writable.getWriter();
    const canvas = new OffscreenCanvas(WIDTH, HEIGHT);
    const drawing = canvas.getContext('2d');
    const started = performance.now();
    let flash = 0, next = started + 1000, due = started;
    setInterval(() => {
      const now = performance.now();
      if (now < due || writer.desiredSize <= 0) return;
      due = Math.max(due + 1000 / FPS, now - 1000 / FPS);
      if (now >= next) {
        next += INTERVAL_S * 1000;
        flash = FLASH_FRAMES;
        gain.gain.setValueAtTime(0.5, audio.currentTime);
        gain.gain.setValueAtTime(0, audio.currentTime + BEEP_S);
      }
      drawing.fillStyle = flash > 0 ? 'white' : `rgb(${SIDE.rgb})`;
      drawing.fillRect(0, 0, WIDTH, HEIGHT);
      flash--;
      writer.write(new VideoFrame(canvas, {timestamp: Math.round(now * 1000)}));
    }, 4);
    return {audio: destination.stream.getAudioTracks()[0], video, context: audio};
  };
  navigator.mediaDevices.getUserMedia = async constraints => {
    source ??= make();
    await source.context.resume();
    const tracks = [];
    if (constraints.audio) tracks.push(source.audio.clone());
    if (constraints.video) tracks.push(source.video.clone());
    return new MediaStream(tracks);
  };
})();
"""


def flash_and_beep(side: Side) -> str:
    """The script to run before those of the page: a picture of the side's colour, a beep of its tone."""
    values = {"FLASH_FRAMES": FLASH_FRAMES, "BEEP_S": BEEP_S, "INTERVAL_S": INTERVAL_S}
    constants = "".join(f"const {name} = {value}; " for name, value in values.items())
    looks = json.dumps({"rgb": side.rgb, "tone_hz": side.tone_hz})
    return f"{{ {constants} const SIDE = {looks}; {_SCRIPT} }}"

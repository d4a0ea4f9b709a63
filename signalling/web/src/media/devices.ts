/**
 * Microphone and camera of this device: on, off, other camera, lost and found again.
 *
 * Owns the local tracks. Muting the microphone keeps its track, so that unmuting is instant; turning the camera
 * off stops it, so that its light goes off.
 */

import type { Camera, Device } from "../session/state";
import {
  captureBoth,
  captureCamera,
  captureMicrophone,
  isProblem,
  listCameras,
  videoConstraints,
  type Captured,
  type CameraChoice,
  type Facing,
} from "./capture";

export interface DevicesListener {
  onMicrophone(change: Partial<Device>): void;
  onCamera(change: Partial<Camera>): void;
  /** The track to send, or null for none; called on every change. */
  onTrack(source: "microphone" | "camera", track: MediaStreamTrack | null): void;
}

export class Devices {
  readonly #listener: DevicesListener;
  readonly #preferred: Facing;
  #microphone: MediaStreamTrack | null = null;
  #camera: MediaStreamTrack | null = null;
  #cameraChoice: CameraChoice;
  /** What the person wants, whatever the devices do. */
  #wanted = { microphone: true, camera: true };
  /** Changes run one after the other: a phone cannot open its second camera while the first is closing. */
  #queue: Promise<void> = Promise.resolve();
  #released = false;

  constructor(facing: Facing, listener: DevicesListener) {
    this.#preferred = facing;
    this.#cameraChoice = { facing };
    this.#listener = listener;
  }

  /** Asks for both; what cannot be had is reported as a problem, and the call goes on without it. */
  start(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#microphone || this.#camera) return;
      this.#listener.onMicrophone({ status: "starting", problem: null });
      this.#listener.onCamera({ status: "starting", problem: null });
      const { microphone, camera } = await captureBoth(videoConstraints(this.#cameraChoice));
      this.#useMicrophone(microphone);
      await this.#useCamera(camera);
    });
  }

  setMicrophone(on: boolean): Promise<void> {
    this.#wanted.microphone = on;
    return this.#enqueue(async () => {
      if (!on) return this.#muteMicrophone();
      if (this.#microphone?.readyState === "live") {
        this.#microphone.enabled = true;
        this.#listener.onMicrophone({ status: "on", problem: null });
        return;
      }
      this.#listener.onMicrophone({ status: "starting", problem: null });
      this.#useMicrophone(await captureMicrophone());
    });
  }

  setCamera(on: boolean): Promise<void> {
    this.#wanted.camera = on;
    return this.#enqueue(async () => {
      if (!on) return this.#dropCamera({ status: "off", problem: null });
      this.#listener.onCamera({ status: "starting", problem: null });
      await this.#useCamera(await captureCamera(videoConstraints(this.#cameraChoice)));
    });
  }

  /** To the camera on the other side, or on a device that does not know sides, to the next camera. */
  switchCamera(): Promise<void> {
    return this.#enqueue(async () => {
      if (!this.#camera) return;
      const { deviceId } = this.#camera.getSettings();
      const facing = facingOf(this.#camera);
      this.#listener.onCamera({ status: "starting" });
      // Phones open one camera at a time.
      this.#stopCamera();
      let captured: Captured = { problem: "failed" };
      if (facing !== "unknown") captured = await this.#open({ facing: facing === "user" ? "environment" : "user" });
      // Several cameras on the same side, or none that knows its side: take them in turn.
      if (isProblem(captured) || captured.getSettings().deviceId === deviceId) {
        if (!isProblem(captured)) captured.stop();
        const next = await cameraAfter(deviceId);
        captured = next ? await this.#open({ deviceId: next }) : { problem: "missing" };
      }
      if (isProblem(captured)) captured = await this.#open(deviceId ? { deviceId } : { facing: this.#preferred });
      await this.#useCamera(captured);
    });
  }

  /** After the page was in the background: phones end or silence the tracks of a hidden page. */
  async revive(): Promise<void> {
    const { microphone, camera } = this.#wanted;
    if (camera && this.#camera?.readyState === "ended") await this.setCamera(true);
    if (microphone && this.#microphone?.readyState === "ended") await this.setMicrophone(true);
  }

  /** Stops both for good. */
  release(): void {
    this.#released = true;
    this.#microphone?.stop();
    this.#camera?.stop();
    this.#microphone = this.#camera = null;
    this.#listener.onMicrophone({ status: "off", problem: null });
    this.#listener.onCamera({ status: "off", problem: null });
  }

  #enqueue(change: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(() => (this.#released ? undefined : change()));
    return this.#queue;
  }

  #useMicrophone(captured: Captured): void {
    if (isProblem(captured)) {
      this.#listener.onMicrophone({ status: "off", problem: captured.problem });
      return;
    }
    if (this.#released) return captured.stop();
    this.#microphone = captured;
    captured.enabled = this.#wanted.microphone;
    captured.addEventListener("ended", () => {
      if (this.#microphone === captured) this.#listener.onMicrophone({ status: "off", problem: "lost" });
    });
    this.#listener.onTrack("microphone", captured);
    this.#listener.onMicrophone({ status: captured.enabled ? "on" : "off", problem: null });
  }

  #muteMicrophone(): void {
    if (this.#microphone) this.#microphone.enabled = false;
    this.#listener.onMicrophone({ status: "off", problem: null });
  }

  async #useCamera(captured: Captured): Promise<void> {
    if (isProblem(captured)) return this.#dropCamera({ status: "off", problem: captured.problem });
    if (this.#released) return captured.stop();
    this.#stopCamera();
    this.#camera = captured;
    captured.addEventListener("ended", () => {
      if (this.#camera !== captured) return;
      this.#listener.onTrack("camera", null);
      this.#listener.onCamera({ status: "off", problem: "lost" });
    });
    this.#listener.onTrack("camera", captured);
    this.#listener.onCamera({
      status: "on",
      problem: null,
      facing: facingOf(captured),
      switchable: (await listCameras()).length > 1,
    });
  }

  #stopCamera(): void {
    this.#camera?.stop();
    this.#camera = null;
  }

  #dropCamera(change: Partial<Camera>): void {
    this.#stopCamera();
    this.#listener.onTrack("camera", null);
    this.#listener.onCamera(change);
  }

  async #open(choice: CameraChoice): Promise<Captured> {
    const captured = await captureCamera(videoConstraints(choice));
    if (!isProblem(captured)) this.#cameraChoice = choice;
    return captured;
  }
}

async function cameraAfter(deviceId: string | undefined): Promise<string | undefined> {
  const ids = (await listCameras()).map((camera) => camera.deviceId);
  return ids[(ids.indexOf(deviceId ?? "") + 1) % ids.length];
}

function facingOf(track: MediaStreamTrack): "user" | "environment" | "unknown" {
  const { facingMode } = track.getSettings();
  return facingMode === "user" || facingMode === "environment" ? facingMode : "unknown";
}

/**
 * Getting microphone and camera from the browser: one question for both, then each alone when that fails.
 *
 * Holds no state; `devices.ts` owns the tracks.
 */

import type { DeviceKind, DeviceProblem } from "../session/state";
import { deviceProblem } from "./errors";

export type Facing = "user" | "environment";
export type CameraChoice = { facing: Facing } | { deviceId: string };
export type Captured = MediaStreamTrack | { problem: DeviceProblem };

/** 720p at 30 frames per second is enough to read a type plate, and most phones can encode it in hardware. */
const VIDEO: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
};

const AUDIO: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

export function videoConstraints(choice: CameraChoice): MediaTrackConstraints {
  if ("deviceId" in choice) return { ...VIDEO, deviceId: { exact: choice.deviceId } };
  return { ...VIDEO, facingMode: { ideal: choice.facing } };
}

export function isProblem(captured: Captured): captured is { problem: DeviceProblem } {
  return "problem" in captured;
}

/** Pages from plain http have no `mediaDevices` at all. */
export function canCapture(): boolean {
  return window.isSecureContext && navigator.mediaDevices !== undefined;
}

async function capture(constraints: MediaStreamConstraints): Promise<MediaStreamTrack[]> {
  return (await navigator.mediaDevices.getUserMedia(constraints)).getTracks();
}

export async function captureMicrophone(): Promise<Captured> {
  return captureOne({ audio: AUDIO });
}

export async function captureCamera(video: MediaTrackConstraints): Promise<Captured> {
  return captureOne({ video });
}

async function captureOne(constraints: MediaStreamConstraints): Promise<Captured> {
  if (!canCapture()) return { problem: "insecure" };
  try {
    const [track] = await capture(constraints);
    return track ?? { problem: "failed" };
  } catch (error) {
    return { problem: deviceProblem(error) };
  }
}

/**
 * Both devices by one question to the person, if possible.
 *
 * A refusal of both is only asked again for the device that is not the refused one: somebody who said no to a
 * question does not want to see it twice.
 */
export async function captureBoth(video: MediaTrackConstraints): Promise<Record<DeviceKind, Captured>> {
  if (!canCapture()) return { microphone: { problem: "insecure" }, camera: { problem: "insecure" } };
  try {
    const tracks = await capture({ audio: AUDIO, video });
    const byKind = (kind: string): Captured => tracks.find((track) => track.kind === kind) ?? { problem: "failed" };
    return { microphone: byKind("audio"), camera: byKind("video") };
  } catch (error) {
    const problem = deviceProblem(error);
    if (problem !== "denied") return { camera: await captureCamera(video), microphone: await captureMicrophone() };
    const [microphone, camera] = await Promise.all([permission("microphone"), permission("camera")]);
    const refused = { problem } as const;
    return {
      microphone: camera === "denied" && microphone !== "denied" ? await captureMicrophone() : refused,
      camera: microphone === "denied" && camera !== "denied" ? await captureCamera(video) : refused,
    };
  }
}

async function permission(name: DeviceKind): Promise<PermissionState> {
  try {
    return (await navigator.permissions.query({ name: name as PermissionName })).state;
  } catch {
    // A browser that does not tell (Firefox before 131 for these names) has just told by refusing.
    return "denied";
  }
}

/** Cameras that can be told apart; names and ids are only known once one was allowed. */
export async function listCameras(): Promise<MediaDeviceInfo[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId !== "");
}

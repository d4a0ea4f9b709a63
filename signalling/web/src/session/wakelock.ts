/** Keeps the screen on while the session runs; a phone that locks itself stops its camera. */

export interface WakeLock {
  release(): void;
}

export function keepScreenAwake(): WakeLock {
  let sentinel: WakeLockSentinel | null = null;
  const acquire = async (): Promise<void> => {
    if (!("wakeLock" in navigator) || document.visibilityState !== "visible") return;
    try {
      sentinel = await navigator.wakeLock.request("screen");
    } catch {
      // Refused at low battery, for instance; the session works without.
      sentinel = null;
    }
  };
  // The browser takes the lock back whenever the page is hidden.
  document.addEventListener("visibilitychange", acquire);
  void acquire();
  return {
    release() {
      document.removeEventListener("visibilitychange", acquire);
      void sentinel?.release();
    },
  };
}

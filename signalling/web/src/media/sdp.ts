/** The little that the client reads in a session description. */

/**
 * Whether two answers come from the same transport of the server.
 *
 * After a restart the server answers an old connection's offer with another certificate. The browser's connection
 * cannot follow that and has to be made anew.
 */
export function sameCertificate(former: string, next: string): boolean {
  return fingerprint(former) === fingerprint(next);
}

function fingerprint(sdp: string): string | undefined {
  return /^a=fingerprint:\S+ (\S+)/m.exec(sdp)?.[1]?.toUpperCase();
}

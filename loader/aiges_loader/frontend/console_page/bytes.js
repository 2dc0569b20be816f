// Base64, and what bytes are. Large data is taken in pieces, so that the page stays alive.

const PIECE_BYTES = 3 * 2 ** 18; // a multiple of three: the base64 of pieces can be put together

// Returns the base64 of a blob, in pieces to be put together: blobs, so that no long string is made.
export async function base64Of(blob) {
  const parts = [];
  for (let at = 0; at < blob.size; at += PIECE_BYTES) {
    parts.push(new Blob([await base64OfPiece(blob.slice(at, at + PIECE_BYTES))]));
  }
  return parts;
}

function base64OfPiece(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

export function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

const MAGIC = [
  [/^\x89PNG/, "image/png", "png"],
  [/^\xff\xd8\xff/, "image/jpeg", "jpg"],
  [/^GIF8/, "image/gif", "gif"],
  [/^BM/, "image/bmp", "bmp"],
  [/^RIFF....WEBP/s, "image/webp", "webp"],
  [/^RIFF....WAVE/s, "audio/wav", "wav"],
  [/^(ID3|\xff[\xe0-\xff])/, "audio/mpeg", "mp3"],
  [/^OggS/, "audio/ogg", "ogg"],
  [/^fLaC/, "audio/flac", "flac"],
  [/^....ftyp/s, "video/mp4", "mp4"],
  [/^\x1aE\xdf\xa3/, "video/webm", "webm"],
];

// Says what data is by its first bytes: its media type and the ending of a file; null if unknown.
export function kindOf(bytes) {
  const head = String.fromCharCode(...bytes.subarray(0, 12));
  const found = MAGIC.find(([magic]) => magic.test(head));
  return found ? { type: found[1], ending: found[2] } : null;
}

// Puts the header of a WAV file before raw samples (bytes or a Blob), which browsers do not play.
export function wav(samples, { rate = 16_000, bits = 16, channels = 1 } = {}) {
  const length = samples.size ?? samples.length;
  const header = new DataView(new ArrayBuffer(44));
  const write = (at, text) => {
    for (let i = 0; i < text.length; i += 1) header.setUint8(at + i, text.charCodeAt(i));
  };
  const frame = (channels * bits) / 8;
  write(0, "RIFF");
  header.setUint32(4, 36 + length, true);
  write(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, channels, true);
  header.setUint32(24, rate, true);
  header.setUint32(28, rate * frame, true);
  header.setUint16(32, frame, true);
  header.setUint16(34, bits, true);
  write(36, "data");
  header.setUint32(40, length, true);
  return new Blob([header, samples], { type: "audio/wav" });
}

// Microphone and camera, where the browser has them and lets pages of this address use them.

export const SAMPLE_RATE = 16_000;

export const canUseDevices = () => Boolean(navigator.mediaDevices?.getUserMedia);

// Begins to record; returns a function that ends it and gives the samples: 16 bits, one channel.
export async function record() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext({ sampleRate: SAMPLE_RATE });
  const pieces = [];
  const stop = async () => {
    for (const track of stream.getTracks()) track.stop();
    await context.close();
    return samplesOf(pieces);
  };
  try {
    await context.audioWorklet.addModule("recorder.js");
    const recorder = new AudioWorkletNode(context, "recorder");
    recorder.port.onmessage = ({ data }) => pieces.push(data);
    context.createMediaStreamSource(stream).connect(recorder);
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

function samplesOf(pieces) {
  const samples = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    for (const value of piece) samples[at++] = Math.max(-1, Math.min(1, value)) * 0x7fff;
  }
  return new Uint8Array(samples.buffer);
}

// Shows the camera in a <video>; returns {take, stop}, of which take gives a picture as a Blob.
export async function watch(video) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true });
  video.srcObject = stream;
  await video.play();
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  const take = (type) => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    return new Promise((resolve) => {
      canvas.toBlob(resolve, type, 0.92);
    });
  };
  return { take, stop };
}

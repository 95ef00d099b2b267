// A leg's file as docs/recordings.md tells it, left by a core that was killed.
export function leftWav(startMs, leg, speaker, data) {
  const head = Buffer.alloc(84);
  head.write('RIFF\xff\xff\xff\xffWAVEfmt ', 'latin1');
  head.writeUInt32LE(18, 16);
  [7, 1].forEach((v, i) => head.writeUInt16LE(v, 20 + 2 * i));
  [8000, 8000].forEach((v, i) => head.writeUInt32LE(v, 24 + 4 * i));
  [1, 8].forEach((v, i) => head.writeUInt16LE(v, 32 + 2 * i));
  head.write('fact\x04\0\0\0\xff\xff\xff\xffcmnd\x12\0\0\0', 38, 'latin1');
  head.writeBigInt64LE(BigInt(startMs) * 1000n, 58);
  head.set([1, leg, speaker], 66);
  head.write('data\xff\xff\xff\xff', 76, 'latin1');
  return Buffer.concat([head, data]);
}

// SPDX-License-Identifier: Apache-2.0
// SEAL's side of the exchange: node judge.mjs MODULES INPUT OUTPUT. session.cpp writes INPUT, judge_test.cpp reads
// OUTPUT: polynomials as coefficients, slots in SEAL's order, numbers little-endian.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [modules, input, output] = process.argv.slice(2);
const SEAL = createRequire(import.meta.url)(join(resolve(modules), 'node-seal'));

const VALUES = 0;
const POLYNOMIALS = 1;
const WORD = 8;

// ---- The exchange's records: see exchange.h.

function readRecords(bytes) {
  const records = new Map();
  let at = 0;
  const u32 = () => bytes.readUInt32LE((at += 4) - 4);
  const f64 = () => bytes.readDoubleLE((at += 8) - 8);
  while (at < bytes.length) {
    const length = u32();
    const name = bytes.toString('utf8', at, at += length);
    const kind = bytes[at++];
    if (kind === VALUES) {
      records.set(name, Float64Array.from({ length: u32() }, f64));
    } else {
      const [parts, limbs, degree] = [u32(), u32(), u32()];
      const scale = f64();
      records.set(name, { parts, limbs, scale, data: bytes.subarray(at, at += parts * limbs * degree * WORD) });
    }
  }
  return records;
}

class Records {
  pieces = [];
  head(name, kind, numbers) {
    const text = Buffer.from(name);
    const head = Buffer.alloc(4 + text.length + 1 + 4 * numbers.length);
    let at = head.writeUInt32LE(text.length);
    at += text.copy(head, at);
    at = head.writeUInt8(kind, at);
    for (const number of numbers) at = head.writeUInt32LE(number, at);
    this.pieces.push(head);
  }
  f64s(numbers) {
    const out = Buffer.alloc(8 * numbers.length);
    numbers.forEach((x, i) => out.writeDoubleLE(x, 8 * i));
    this.pieces.push(out);
  }
  values(name, numbers) {
    this.head(name, VALUES, [numbers.length]);
    this.f64s(numbers);
  }
  polynomials(name, { parts, limbs, scale, data }) {
    this.head(name, POLYNOMIALS, [parts, limbs, data.length / WORD / parts / limbs]);
    this.f64s([scale]);
    this.pieces.push(data);
  }
}

// ---- SEAL's own serialisation, uncompressed: a header of 16 bytes (magic, its size, version, mode, total size), then
// members.

const HEADER = 16;
const CIPHERTEXT_MEMBERS = 32 + 1 + 5 * WORD;

function sealed(version, ...members) {
  const body = Buffer.concat(members);
  const head = Buffer.from([0x5e, 0xa1, HEADER, ...version, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeBigUInt64LE(BigInt(HEADER + body.length), 8);
  return Buffer.concat([head, body]);
}

function u64s(...numbers) {
  const out = Buffer.alloc(WORD * numbers.length);
  numbers.forEach((x, i) => out.writeBigUInt64LE(BigInt(x), WORD * i));
  return out;
}

function f64(number) {
  const out = Buffer.alloc(8);
  out.writeDoubleLE(number);
  return out;
}

const bytesOf = (words) => Buffer.from(words.buffer, words.byteOffset, words.byteLength);

/** parms_id, is_ntt_form, size, degree, limbs, scale, correction factor, residues. */
function packCiphertext(version, parmsId, ntt, degree, { parts, limbs, scale, data }) {
  const residues = sealed(version, u64s(data.length / WORD), data);
  const numbers = Buffer.concat([u64s(parts, degree, limbs), f64(scale), u64s(1)]);
  return sealed(version, parmsId, Buffer.from([ntt ? 1 : 0]), numbers, residues);
}

function unpackCiphertext(bytes) {
  const numbers = HEADER + 32 + 1;
  const size = bytes.readBigUInt64LE(8);
  return {
    parts: Number(bytes.readBigUInt64LE(numbers)),
    limbs: Number(bytes.readBigUInt64LE(numbers + 2 * WORD)),
    scale: bytes.readDoubleLE(numbers + 3 * WORD),
    data: bytes.subarray(HEADER + CIPHERTEXT_MEMBERS + HEADER + WORD, Number(size)),
  };
}

// ---- SEAL with the primes of the exchange.

class Judge {
  constructor(seal, records) {
    this.seal = seal;
    this.none = seal.ComprModeType.none;
    this.degree = records.get('degree')[0];
    // Primes below 2^50 are exact in doubles.
    const primes = Array.from(records.get('primes'));
    this.keyLimbs = primes.length;
    this.version = Buffer.from(seal.EncryptionParameters(seal.SchemeType.ckks).saveArray(this.none)).subarray(3, 5);
    this.context = this.makeContext(primes, seal.SecurityLevel.tc128);
    // SEAL transforms only what is no key. With one prime more, unused, the polynomials of keys are none either: this
    // context, with no gate of security, serves the NTT alone.
    this.wide = this.makeContext([...primes, records.get('unused_prime')[0]], seal.SecurityLevel.none);
    this.transformer = seal.Evaluator(this.wide);
    this.evaluator = seal.Evaluator(this.context);
    this.encoder = seal.CKKSEncoder(this.context);
    this.levels = this.levelsOf(this.context);
    this.wideLevels = this.levelsOf(this.wide);
    this.keyLevel = bytesOf(this.context.keyParmsId.values);
  }

  makeContext(primes, security) {
    const modulus = (value) => sealed(this.version, u64s(value));
    const parms = this.seal.EncryptionParameters(this.seal.SchemeType.ckks);
    const ckks = Buffer.from([2]);
    const sizes = u64s(this.degree, primes.length);
    parms.loadArray(sealed(this.version, ckks, sizes, ...primes.map(modulus), modulus(0)));
    const context = this.seal.Context(parms, true, security);
    if (!context.parametersSet()) throw new Error('SEAL refuses the parameters');
    return context;
  }

  /** parms_id by the number of limbs. */
  levelsOf(context) {
    const levels = [];
    let data = context.firstContextData;
    for (let limbs = data.parms.coeffModulus.length; ; --limbs) {
      levels[limbs] = bytesOf(data.parmsId.values);
      if (limbs === 1) break;
      data = data.nextContextData;
    }
    return levels;
  }

  /** Coefficients to SEAL's NTT order (forward) or back, of any number of parts and limbs. */
  transform(polynomials, forward) {
    // SEAL's ciphertexts have two parts at least.
    const single = polynomials.parts === 1;
    const data = single ? Buffer.concat([polynomials.data, polynomials.data]) : polynomials.data;
    const pair = { ...polynomials, parts: single ? 2 : polynomials.parts, scale: 1, data };
    const level = this.wideLevels[polynomials.limbs];
    const from = this.seal.CipherText();
    from.loadArray(this.wide, packCiphertext(this.version, level, !forward, this.degree, pair));
    const to = forward ? this.transformer.cipherTransformToNtt(from) : this.transformer.cipherTransformFromNtt(from);
    const out = unpackCiphertext(Buffer.from(to.saveArray(this.none)));
    from.delete();
    to.delete();
    return { ...polynomials, data: single ? out.data.subarray(0, out.data.length / 2) : out.data };
  }

  ciphertext(polynomials) {
    const out = this.seal.CipherText();
    const ntt = this.transform(polynomials, true);
    out.loadArray(this.context, packCiphertext(this.version, this.levels[ntt.limbs], true, this.degree, ntt));
    return out;
  }

  coefficients(ciphertext) {
    return this.transform(unpackCiphertext(Buffer.from(ciphertext.saveArray(this.none))), false);
  }

  /** parms_id, count, scale, residues. */
  packPlaintext(parmsId, polynomials) {
    const { data, scale } = this.transform(polynomials, true);
    const residues = sealed(this.version, u64s(data.length / WORD), data);
    return sealed(this.version, parmsId, u64s(data.length / WORD), f64(scale), residues);
  }

  plaintext(polynomials) {
    const out = this.seal.PlainText();
    out.loadArray(this.context, this.packPlaintext(this.levels[polynomials.limbs], polynomials));
    return out;
  }

  plaintextCoefficients(plaintext, limbs) {
    const bytes = Buffer.from(plaintext.saveArray(this.none));
    const data = bytes.subarray(HEADER + 32 + 2 * WORD + HEADER + WORD);
    return this.transform({ parts: 1, limbs, scale: plaintext.scale, data }, false);
  }

  secretKey(polynomials) {
    const out = this.seal.SecretKey();
    out.loadArray(this.context, this.packPlaintext(this.keyLevel, { ...polynomials, scale: 1 }));
    return out;
  }

  /** Keys by their index in SEAL's table of `size`, each with two parts a digit. */
  switchKeys(empty, size, keys) {
    const members = [this.keyLevel, u64s(size)];
    for (let index = 0; index < size; ++index) {
      const key = keys.get(index);
      members.push(u64s(key ? key.parts / 2 : 0));
      if (!key) continue;
      const bytes = key.data.length / (key.parts / 2);
      for (let digit = 0; digit < key.parts / 2; ++digit) {
        const data = key.data.subarray(digit * bytes, (digit + 1) * bytes);
        const ntt = this.transform({ ...key, parts: 2, scale: 1, data }, true);
        members.push(packCiphertext(this.version, this.keyLevel, true, this.degree, ntt));
      }
    }
    empty.loadArray(this.context, sealed(this.version, ...members));
    return empty;
  }

  /** The key at one index, two parts a digit, as coefficients. */
  switchKeyCoefficients(keys, wanted) {
    const bytes = Buffer.from(keys.saveArray(this.none));
    let at = HEADER + 32 + WORD;
    for (let index = 0; ; ++index) {
      const digits = Number(bytes.readBigUInt64LE(at));
      at += WORD;
      const data = [];
      for (let digit = 0; digit < digits; ++digit) {
        const size = Number(bytes.readBigUInt64LE(at + 8));
        if (index === wanted) data.push(this.transform(unpackCiphertext(bytes.subarray(at, at + size)), false).data);
        at += size;
      }
      if (index === wanted) return { parts: 2 * digits, limbs: this.keyLimbs, scale: 1, data: Buffer.concat(data) };
    }
  }
}

const galoisIndex = (element) => (element - 1) / 2;

/** Everything of ours that SEAL decrypts or decodes. */
function readOurs(judge, records, decryptor, out) {
  const seal = judge.seal;
  const stranger = seal.Decryptor(judge.context, seal.KeyGenerator(judge.context).secretKey());
  for (const [name, polynomials] of records) {
    if (!name.startsWith('ours.')) continue;
    const ciphertext = judge.ciphertext(polynomials);
    out.values(`decrypted.${name}`, judge.encoder.decode(decryptor.decrypt(ciphertext)));
    if (name === 'ours.seeded3') out.values('stranger.seeded3', judge.encoder.decode(stranger.decrypt(ciphertext)));
    ciphertext.delete();
  }
  out.values('decoded.plain', judge.encoder.decode(judge.plaintext(records.get('plain.ours'))));
}

/** What SEAL computes on our ciphertexts with our keys. */
function computeOnOurs(judge, records, out) {
  const { seal, evaluator } = judge;
  const relinearization = new Map([[0, records.get('ourkey.relinearization')]]);
  const relinKeys = judge.switchKeys(seal.RelinKeys(), 1, relinearization);
  const product = judge.ciphertext(records.get('ours.small_product'));
  out.polynomials('crossed.relinearized', judge.coefficients(evaluator.relinearize(product, relinKeys)));

  const elements = Array.from(records.get('our_elements'));
  const galois = new Map(elements.map((element) => [galoisIndex(element), records.get(`ourkey.galois.${element}`)]));
  const galoisKeys = judge.switchKeys(seal.GaloisKeys(), judge.degree, galois);
  const fresh = judge.ciphertext(records.get('ours.seeded3'));
  for (const element of elements) {
    const moved = evaluator.applyGalois(fresh, element, galoisKeys);
    out.polynomials(`crossed.galois.${element}`, judge.coefficients(moved));
  }
}

/** What SEAL makes by itself, with the same secret. */
function makeTheirs(judge, records, secret, out) {
  const { seal, evaluator, encoder } = judge;
  const generator = seal.KeyGenerator(judge.context, secret);
  const encryptor = seal.Encryptor(judge.context, generator.createPublicKey(), secret);
  const [scale, smallScale] = records.get('scales');
  const encode = (name, at) => encoder.encode(records.get(name), at);
  const put = (name, ciphertext) => out.polynomials(`theirs.${name}`, judge.coefficients(ciphertext));

  const plain = encode('slots.a', scale);
  out.polynomials('plain.theirs', judge.plaintextCoefficients(plain, judge.keyLimbs - 1));
  const a = encryptor.encryptSymmetric(plain);
  const b = encryptor.encrypt(encode('slots.b', scale));
  put('symmetric', a);
  put('public', b);
  const product = evaluator.multiply(a, b);
  put('product', product);
  put('mixed', evaluator.multiply(judge.ciphertext(records.get('ours.seeded3')), b));
  put('rescaled3', evaluator.rescaleToNext(product));

  const relinKeys = generator.createRelinKeys();
  out.polynomials('theirkey.relinearization', judge.switchKeyCoefficients(relinKeys, 0));
  put('rescaled', evaluator.rescaleToNext(evaluator.relinearize(product, relinKeys)));
  const small = evaluator.multiply(
    encryptor.encryptSymmetric(encode('slots.a', smallScale)),
    encryptor.encryptSymmetric(encode('slots.b', smallScale)),
  );
  put('small_product', small);
  put('relinearized', evaluator.relinearize(small, relinKeys));

  const galoisKeys = generator.createGaloisKeys(Int32Array.from(records.get('their_steps')));
  for (const element of records.get('their_elements')) {
    const key = judge.switchKeyCoefficients(galoisKeys, galoisIndex(element));
    out.polynomials(`theirkey.galois.${element}`, key);
    put(`galois.${element}`, evaluator.applyGalois(a, element, galoisKeys));
  }
}

/** Ciphertexts of the conjugate-invariant ring of half the degree, lifted: read, and multiplied here. */
function readLifted(judge, records, out) {
  const { seal, encoder } = judge;
  const decryptor = seal.Decryptor(judge.context, judge.secretKey(records.get('lifted.secret')));
  const read = (name, ciphertext) => out.values(name, encoder.decode(decryptor.decrypt(ciphertext)));
  for (const [name, polynomials] of records) {
    if (name.startsWith('lifted.ours.')) read(`decrypted.${name}`, judge.ciphertext(polynomials));
  }
  const [a, b] = ['a', 'b'].map((name) => judge.ciphertext(records.get(`lifted.ours.${name}`)));
  read('lifted.theirs.product', judge.evaluator.multiply(a, b));
}

const seal = await SEAL();
const records = readRecords(readFileSync(input));
const judge = new Judge(seal, records);
const out = new Records();
const secret = judge.secretKey(records.get('secret'));
readOurs(judge, records, seal.Decryptor(judge.context, secret), out);
computeOnOurs(judge, records, out);
makeTheirs(judge, records, secret, out);
readLifted(judge, records, out);
writeFileSync(output, Buffer.concat(out.pieces));

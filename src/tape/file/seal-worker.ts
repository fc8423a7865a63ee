// Runs in a worker thread of its own: sealing costs a core for seconds, and the event loop has other things to do.
import { parentPort, workerData } from 'node:worker_threads'
import { type SealRequest, sealSegments } from './seal.ts'

parentPort?.postMessage(await sealSegments(workerData as SealRequest))

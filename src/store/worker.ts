// Runs in a worker thread of its own: DuckDB holds the thread that writes for as long as a commit takes.
import { parentPort, workerData } from 'node:worker_threads'
import { serveStore } from './hands.ts'
import type { KeeperOptions } from './keeper.ts'

if (parentPort) serveStore(parentPort, workerData as KeeperOptions)

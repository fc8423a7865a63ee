import { Worker, type WorkerOptions } from 'node:worker_threads'

/** A thread of its own that runs a file of this package: its address, without the ending. */
export function startThread(file: URL, options: WorkerOptions): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL(`${file}.js`), options)
  // Run from its sources, as in tests: a thread reads no TypeScript until it is told how.
  const [loader, entry] = [import.meta.resolve('tsx/esm/api'), `${file}.ts`].map(it =>
    JSON.stringify(it),
  )
  const code = `import(${loader}).then(({ register }) => { register(); return import(${entry}) })`
  return new Worker(code, { ...options, eval: true })
}

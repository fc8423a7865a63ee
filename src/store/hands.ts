import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { decodeColumns } from '../market/columns.ts'
import { Answerer } from './answerer.ts'
import { Keeper, type KeeperOptions, type Taken } from './keeper.ts'
import { Caller, serve } from './link.ts'

/**
 * What writes and what answers, at the other end of a port. Both are in one thread, for a file can be open once in a
 * process; statements run outside of it.
 */
export function serveStore(
  port: Pick<MessagePort, 'postMessage' | 'on'>,
  options: KeeperOptions,
): void {
  const keeper = new Keeper(options, () => answerer.close())
  const answerer = new Answerer(options.folder, () => keeper.database)
  // What is taken is taken in order.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn =
    <T, R>(work: (args: T) => Promise<R>) =>
    (args: T): Promise<R> => {
      const done = last.then(() => work(args))
      last = done.catch(() => undefined)
      return done
    }
  const take = inTurn((taken: Taken) => keeper.take(taken))
  const commit = inTurn(() => keeper.commit())
  serve(port, {
    open: inTurn(() => keeper.open()),
    // Read as it comes: while a commit is waited for, that has been done.
    take: ({ tape, block }: { tape: string; block: Uint8Array }) =>
      take({ tape, events: decodeColumns(block) }),
    commit,
    reset: inTurn((args: Parameters<Keeper['reset']>[0]) => keeper.reset(args)),
    close: inTurn(() => keeper.close()),
    compact: () => keeper.compact(),
    seal: (args: Parameters<Keeper['seal']>[0]) => keeper.seal(args),
    mergeBegin: (args: Parameters<Keeper['mergeBegin']>[0]) => keeper.mergeBegin(args),
    mergeTake: (args: Parameters<Keeper['mergeTake']>[0]) => keeper.mergeTake(args),
    mergeEnd: async (args: Parameters<Keeper['mergeEnd']>[0]) => {
      const merged = await keeper.mergeEnd(args)
      // What came on the tape meanwhile is held against it; where that fails, it is when the store is opened anew.
      await commit(undefined).catch(() => undefined)
      await keeper.tidy()
      return merged
    },
    mergeDrop: (args: Parameters<Keeper['mergeDrop']>[0]) => keeper.mergeDrop(args),
    history: (args: Parameters<Answerer['history']>[0], signal) => answerer.history(args, signal),
    sql: (args: Parameters<Answerer['sql']>[0], signal) => answerer.sql(args, signal),
    asOf: (args: Parameters<Answerer['asOf']>[0], signal) => answerer.asOf(args, signal),
    parquet: (args: Parameters<Answerer['parquet']>[0], signal) => answerer.parquet(args, signal),
    holdings: (args: undefined, signal) => answerer.holdings(args, signal),
  })
}

/** Someone to call, and how to let go of them. */
export interface Hand {
  readonly caller: Caller
  end(): Promise<void>
}

export function hire(options: KeeperOptions): Hand {
  // Run from its sources, as in tests, there is no file that a worker could load: the work is done in this thread.
  if (import.meta.url.endsWith('.ts')) {
    const { port1, port2 } = new MessageChannel()
    serveStore(port2, options)
    port2.unref()
    return {
      caller: new Caller(port1),
      async end() {
        port1.close()
      },
    }
  }
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: options })
  const caller = new Caller(worker)
  worker.once('error', error => caller.lost(error))
  worker.once('exit', () => caller.lost(new Error('the worker of the store has ended')))
  return {
    caller,
    async end() {
      await worker.terminate()
    },
  }
}

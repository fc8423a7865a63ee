/** A server of one's own. */
export interface PrivateServer {
  readonly url: string
  readonly port: number
  readonly folder: string
  readonly pid: number
  start(): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
  end(): Promise<void>
}

export type Found =
  | { readonly url: string; readonly isPrivate?: boolean }
  | { readonly missing: string }

export function installServers(): Promise<void>
export function findPostgres(): Promise<Found>
export function findTimescale(): Promise<Found>
export function findRedis(): Promise<Found>
export function findChromium(): { readonly path?: string; readonly missing?: string }
export const noPostgres: string | false
export const noTimescale: string | false
export const TIMESCALE: Readonly<Record<string, string>>
export const noRedis: string | false
export function startPostgres(options?: {
  readonly password?: string
  readonly settings?: Readonly<Record<string, string>>
  readonly hba?: string
  readonly folder?: string
}): Promise<PrivateServer>
export function startRedis(options?: {
  readonly args?: readonly string[]
  readonly password?: string
  readonly tls?: boolean
}): Promise<PrivateServer>

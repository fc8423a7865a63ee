// Puts the browser's client of the native protocol into one module: what a gateway serves as /client.js.
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Writes it, or without a path returns it, with the files it was made of. */
export async function bundleClient(outfile) {
  const { outputFiles, metafile } = await build({
    entryPoints: [
      fileURLToPath(new URL('../src/providers/tickwire/client-browser.ts', import.meta.url)),
    ],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    metafile: true,
    logLevel: 'error',
    ...(outfile ? { outfile } : { write: false }),
  })
  return { text: outputFiles?.[0]?.text, files: Object.keys(metafile.inputs) }
}

export function bundleClient(): Promise<{ readonly text: string; readonly files: string[] }>
export function bundleClient(outfile: string): Promise<{ readonly files: string[] }>

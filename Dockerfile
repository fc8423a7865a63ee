# `docker build -t tickwire .`, or the service `tickwire` of compose.yaml. docs/vps.md says how it is run for years.
FROM node:22-slim AS build
WORKDIR /app
COPY . .
# `prepare` builds dist/.
RUN npm ci && npm prune --omit=dev

FROM node:22-slim
ENV NODE_ENV=production
COPY --from=build /app/package.json /app/
COPY --from=build /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
RUN ln -s /app/dist/cli/main.js /usr/local/bin/tickwire && mkdir /data && chown node:node /data
USER node
# tickwire.config.yaml, .env, the tape, the store, keys and bots are all here.
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8425/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tickwire"]
CMD ["serve"]

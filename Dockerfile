# One image for every role: `docker run gridbridge node src/cli.ts start --role worker`. In production pin the base image by digest.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /gridbridge
COPY package.json package-lock.json .npmrc ./
COPY tools/openapi-types/package.json tools/openapi-types/
# No dev dependencies (Node comes with the image), no embedded PostgreSQL (optional), no tooling workspace.
RUN npm ci --omit=dev --omit=optional --workspaces=false

FROM node:24-bookworm-slim
WORKDIR /gridbridge
# Without these V8 lets garbage grow to 600 MB before it collects; with them a worker stays under 300 MB.
ENV NODE_OPTIONS="--max-semi-space-size=32 --max-old-space-size=1024"
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
COPY --from=dependencies /gridbridge/node_modules node_modules
COPY package.json LICENSE ./
COPY src src
COPY schemas schemas
COPY connectors connectors
COPY verifier verifier
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
# For the api role. A worker or a scheduler has no port: give it `node src/cli.ts doctor`, as compose.yaml does.
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/cli.ts", "start"]

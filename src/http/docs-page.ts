import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsync } from 'fastify'

/**
 * What the page may load: its own scripts, styles and pictures from here, and nothing from anywhere else. Stricter than what
 * the library offers, and without upgrade-insecure-requests, which leaves a page that is served over plain HTTP blank.
 */
const CONTENT_SECURITY_POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
} as const

/** GET /docs: the description of this API as a page. It comes from here whole, so it can be read without the internet. */
export const docsPage: FastifyPluginAsync = async (server) => {
  await server.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: CONTENT_SECURITY_POLICY,
    theme: { title: 'GridBridge 网格数据桥 API' },
    uiConfig: {
      // Without the bar that asks for the address of another description.
      layout: 'BaseLayout',
      docExpansion: 'list',
      defaultModelsExpandDepth: 0,
      persistAuthorization: false,
    },
  })
}

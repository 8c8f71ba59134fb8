// The viewer of openapi.json, with its validator (which would ask another host) switched off.
window.ui = SwaggerUIBundle({
  url: "/v1/openapi.json",
  dom_id: "#viewer",
  validatorUrl: null,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: false,
});

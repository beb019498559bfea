// The reference of all routes, drawn by Swagger UI from what the service says about itself.

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#routes",
  deepLinking: true,
  validatorUrl: null, // or it would send the address of the service to a public one
});

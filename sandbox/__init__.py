"""A stand-in for Discord on loopback: REST v10, gateway v10, CDN and a page to type into. See docs/sandbox.md."""

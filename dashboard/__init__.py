"""The dashboard: a JSON API, live updates over WebSocket, and the page that uses both."""

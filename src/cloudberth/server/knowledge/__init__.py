"""Knowledge on the web: the HTTP interface, Dify's External Knowledge API, and the pages of the console."""

"""The real south pole that ships with LunarSite; see README.md."""

"""A session that stays: commands of one project and environment are run in it, one after the other, as they would be run by themselves."""

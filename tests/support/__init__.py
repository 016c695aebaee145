"""What the tests are made with: servers, terminals, readers that are not ours, cases."""

"""Commands that train DQN and show what it learned."""

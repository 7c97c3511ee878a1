# %% [markdown]
# # LONDI-B: budgets

# %%
x = 1
